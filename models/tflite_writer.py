"""Writes a small dense network as a .tflite file: flatbuffers and the schema, no TensorFlow.

The graph: z (1, n) -> dense layers -> z' (1, n); contributions (z - z')^2 / n, score their sum.
Built-in operations only, float32 in and out, fixed shapes.
"""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Layer = tuple[Floats, Floats]  # weights (out, in), bias (out,)

SCHEMA_VERSION = 3
MIN_RUNTIME = "2.14.0"


def autoencoder_tflite(layers: list[Layer], description: str) -> bytes:
    """The file's bytes. All layers but the last end in tanh."""
    graph = _Graph(layers[0][0].shape[1])
    held = graph.input
    for place, (weights, bias) in enumerate(layers):
        held = graph.dense(held, weights, bias)
        if place < len(layers) - 1:
            held = graph.tanh(held, len(bias))
    parts = graph.squared_error(graph.input, held)
    score = graph.total(parts)
    return graph.file([score, parts], description)


class _Graph:
    """Tensors, buffers, operators, written in the order of their numbers."""

    def __init__(self, features: int) -> None:
        self.features = features
        self._tensors: list[schema.TensorT] = []
        self._buffers: list[schema.BufferT] = [schema.BufferT()]
        self._operators: list[schema.OperatorT] = []
        self._codes: list[int] = []
        self.input = self._tensor("z", (1, features))

    def dense(self, source: int, weights: Floats, bias: Floats) -> int:
        options = schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = schema.ActivationFunctionType.NONE
        target = self._tensor("dense", (1, len(bias)))
        inputs = [source, self._constant("weights", weights), self._constant("bias", bias)]
        kind = schema.BuiltinOptions.FullyConnectedOptions
        self._operator(
            schema.BuiltinOperator.FULLY_CONNECTED, inputs, target, options, kind, version=1
        )
        return target

    def tanh(self, source: int, width: int) -> int:
        target = self._tensor("tanh", (1, width))
        self._operator(schema.BuiltinOperator.TANH, [source], target)
        return target

    def squared_error(self, one: int, other: int) -> int:
        """((one - other) ** 2) / features."""
        shape = (1, self.features)
        difference = self._tensor("difference", shape)
        kind = schema.BuiltinOptions.SubOptions
        self._operator(
            schema.BuiltinOperator.SUB, [one, other], difference, schema.SubOptionsT(), kind
        )
        square = self._tensor("square", shape)
        self._operator(
            schema.BuiltinOperator.MUL,
            [difference, difference],
            square,
            schema.MulOptionsT(),
            schema.BuiltinOptions.MulOptions,
        )
        parts = self._tensor("contributions", shape)
        share = self._constant("share", np.full(shape, 1.0 / self.features, np.float32))
        self._operator(
            schema.BuiltinOperator.MUL,
            [square, share],
            parts,
            schema.MulOptionsT(),
            schema.BuiltinOptions.MulOptions,
        )
        return parts

    def total(self, source: int) -> int:
        options = schema.ReducerOptionsT()
        options.keepDims = True
        target = self._tensor("score", (1, 1))
        axis = self._constant("axis", np.array([1], np.int32))
        self._operator(
            schema.BuiltinOperator.SUM,
            [source, axis],
            target,
            options,
            schema.BuiltinOptions.ReducerOptions,
        )
        return target

    def file(self, outputs: list[int], description: str) -> bytes:
        part = schema.SubGraphT()
        part.tensors = self._tensors
        part.inputs = [self.input]
        part.outputs = outputs
        part.operators = self._operators
        part.name = "main"
        model = schema.ModelT()
        model.version = SCHEMA_VERSION
        model.description = description
        model.subgraphs = [part]
        model.operatorCodes = [_code(code) for code in self._codes]
        model.metadata = [self._metadata("min_runtime_version", MIN_RUNTIME)]
        model.buffers = self._buffers
        builder = flatbuffers.Builder(4096)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _tensor(self, name: str, shape: tuple[int, ...], buffer: int = 0, kind: int = 0) -> int:
        tensor = schema.TensorT()
        tensor.name = f"{name}_{len(self._tensors)}"
        tensor.shape = list(shape)
        tensor.type = kind
        tensor.buffer = buffer
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _constant(self, name: str, values: NDArray[np.generic]) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._buffers.append(buffer)
        is_whole = values.dtype == np.int32
        kind = schema.TensorType.INT32 if is_whole else schema.TensorType.FLOAT32
        return self._tensor(name, values.shape, len(self._buffers) - 1, kind)

    def _operator(
        self,
        code: int,
        inputs: list[int],
        output: int,
        options: object = None,
        options_type: int = 0,
        version: int = 1,
    ) -> None:
        if code not in self._codes:
            self._codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.index(code)
        operator.inputs = inputs
        operator.outputs = [output]
        operator.builtinOptions = options
        operator.builtinOptionsType = options_type
        self._operators.append(operator)

    def _metadata(self, name: str, value: str) -> schema.MetadataT:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(value.encode().ljust(16, b"\0"), np.uint8)
        self._buffers.append(buffer)
        metadata = schema.MetadataT()
        metadata.name = name
        metadata.buffer = len(self._buffers) - 1
        return metadata


def _code(code: int) -> schema.OperatorCodeT:
    made = schema.OperatorCodeT()
    made.builtinCode = code
    made.deprecatedBuiltinCode = min(code, 127)
    made.version = 1
    return made
