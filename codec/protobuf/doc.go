// Package protobuf has codecs for Protocol Buffers: [Message] for generated Go types, [Dynamic] for messages that are known
// only by their descriptor, and [Map] for maps in the JSON form of Protobuf. Descriptors come from .proto files ([Compile]),
// from descriptor sets ([FromDescriptorSet]), or from generated code.
//
// The codecs write the message without anything around it. All of them are formats for codec/registry too, which puts the
// id of the schema and the path of the message in its file before it.
//
// Resolving and printing of descriptors are by jhump/protoreflect, version 2. Two parts of its version 1 have moved, and are
// used where they are now: the parser of .proto files is bufbuild/protocompile, and dynamic messages are dynamicpb of
// google.golang.org/protobuf, which does the encoding too. Dynamic takes several times the time of Message, and Map several
// times that of Dynamic, since it goes through JSON.
package protobuf
