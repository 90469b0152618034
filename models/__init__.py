"""The model zoo: manifest, verified onnxruntime sessions, and the scripts that rebuild the weights."""
