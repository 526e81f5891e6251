// Messages of the hub's stream (docs/wire_format.md): MessagePack, of the kinds that our messages use.

const TEXT = new TextDecoder();

class Reader {
  constructor(view) {
    this.view = view;
    this.at = 0;
  }

  value() {
    const kind = this.view.getUint8(this.at++);
    if (kind < 0x80) return kind;
    if (kind < 0x90) return this.map(kind & 0x0f);
    if (kind < 0xa0) return this.array(kind & 0x0f);
    if (kind < 0xc0) return this.text(kind & 0x1f);
    if (kind >= 0xe0) return kind - 0x100;
    switch (kind) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return this.bytes(this.number("Uint8", 1));
      case 0xc5: return this.bytes(this.number("Uint16", 2));
      case 0xc6: return this.bytes(this.number("Uint32", 4));
      case 0xca: return this.number("Float32", 4);
      case 0xcb: return this.number("Float64", 8);
      case 0xcc: return this.number("Uint8", 1);
      case 0xcd: return this.number("Uint16", 2);
      case 0xce: return this.number("Uint32", 4);
      case 0xcf: return Number(this.number("BigUint64", 8)); // ns: exact to 256 ns, and only shown
      case 0xd0: return this.number("Int8", 1);
      case 0xd1: return this.number("Int16", 2);
      case 0xd2: return this.number("Int32", 4);
      case 0xd3: return Number(this.number("BigInt64", 8));
      case 0xd9: return this.text(this.number("Uint8", 1));
      case 0xda: return this.text(this.number("Uint16", 2));
      case 0xdb: return this.text(this.number("Uint32", 4));
      case 0xdc: return this.array(this.number("Uint16", 2));
      case 0xdd: return this.array(this.number("Uint32", 4));
      case 0xde: return this.map(this.number("Uint16", 2));
      case 0xdf: return this.map(this.number("Uint32", 4));
    }
    throw new Error(`no message of ours: byte ${kind}`);
  }

  number(type, size) {
    const value = this.view[`get${type}`](this.at, false);
    this.at += size;
    return value;
  }

  bytes(size) {
    const start = this.view.byteOffset + this.at;
    this.at += size;
    return this.view.buffer.slice(start, start + size);
  }

  text(size) {
    return TEXT.decode(this.bytes(size));
  }

  array(size) {
    return Array.from({ length: size }, () => this.value());
  }

  map(size) {
    const found = new Map(); // not an object: keys are what somebody sent
    for (let i = 0; i < size; i++) found.set(this.value(), this.value());
    return found;
  }
}

// A frame of /stream: the time of arrival (ms, little-endian float64), then the message.
// Gives {arrivalMs, people: [{id, name}], joints, places}; places is (people, joints, 12), see docs/wire_format.md.
export function decodePoses(buffer) {
  const message = new Reader(new DataView(buffer, 8)).value();
  const names = message.get("names") ?? [];
  const people = message.get("people").map((id, i) => ({ id, name: names[i] ?? "" }));
  return {
    arrivalMs: new DataView(buffer).getFloat64(0, true),
    people,
    joints: message.get("joints"),
    places: new Float32Array(message.get("blob")),
    columns: 12,
    filledColumn: 11,
  };
}
