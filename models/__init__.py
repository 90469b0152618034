"""The model zoo: manifest, verified onnxruntime sessions, and builds of the weights."""
