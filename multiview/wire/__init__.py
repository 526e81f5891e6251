"""What crosses the network: messages, topics, and how keypoints are packed. No sockets."""
