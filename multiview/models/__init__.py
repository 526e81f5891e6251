"""Model cards, where their files lie, and the two runtimes that run them: ONNX and TensorFlow Lite."""
