package protobuf

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"github.com/jhump/protoreflect/v2/protoprint"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/weirstreams/weir/codec/registry"
)

// printer writes descriptors as .proto files, always in the same way.
var printer = protoprint.Printer{Compact: true, OmitComments: protoprint.CommentsAll}

// schemaOf returns the file of a message as it is registered.
func schemaOf(m protoreflect.MessageDescriptor, options Options) registry.Schema {
	s := fileSchema(m.ParentFile(), options, map[string]*registry.Schema{})
	s.Name = string(m.FullName())
	return *s
}

func fileSchema(file protoreflect.FileDescriptor, options Options, known map[string]*registry.Schema) *registry.Schema {
	if s := known[file.Path()]; s != nil {
		return s
	}
	text, err := printer.PrintProtoToString(file)
	if err != nil {
		// Descriptors that come from a compiler can be printed; the registry will report the defect of this text.
		text = fmt.Sprintf("// %s: %v", file.Path(), err)
	}
	s := &registry.Schema{Type: registry.Protobuf, Text: text}
	known[file.Path()] = s
	for i := range file.Imports().Len() {
		imported := file.Imports().Get(i).FileDescriptor
		if !options.RegisterKnownTypes && isKnown(imported.Path()) {
			continue
		}
		s.References = append(s.References, registry.Reference{
			Name: imported.Path(), Schema: fileSchema(imported, options, known),
		})
	}
	return s
}

// isKnown says whether registries and compilers know a file by themselves.
func isKnown(path string) bool {
	return strings.HasPrefix(path, "google/protobuf/") || strings.HasPrefix(path, "google/type/") || strings.HasPrefix(path, "confluent/")
}

// message is a message of a file.
type message struct {
	name protoreflect.FullName
	path []int
	// shortPath is path in clients that do not count the messages that stand for the entries of maps, as Java's.
	shortPath []int
}

// registeredFile is the name of a schema of the registry in errors.
const registeredFile = "registered.proto"

// messagesOf returns the messages of a schema of the registry. The files that it imports need not be known: the text is parsed,
// not compiled. Confluent's Python client registers the file as a serialized descriptor in base64 instead of text.
func messagesOf(s registry.Schema) ([]message, error) {
	if descriptor := serialized(s.Text); descriptor != nil {
		return appendMessages(nil, protoreflect.FullName(descriptor.GetPackage()), nil, nil, descriptor.GetMessageType()), nil
	}
	handler := reporter.NewHandler(nil)
	file, err := parser.Parse(registeredFile, strings.NewReader(s.Text), handler)
	if err != nil {
		return nil, fmt.Errorf("parse the schema of the registry: %w", err)
	}
	parsed, err := parser.ResultFromAST(file, false, handler)
	if err != nil {
		return nil, fmt.Errorf("parse the schema of the registry: %w", err)
	}
	descriptor := parsed.FileDescriptorProto()
	return appendMessages(nil, protoreflect.FullName(descriptor.GetPackage()), nil, nil, descriptor.GetMessageType()), nil
}

// serialized returns the descriptor that a schema is in base64, or nil if the schema is text. The text of a file has characters
// that base64 lacks.
func serialized(text string) *descriptorpb.FileDescriptorProto {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(data) == 0 {
		return nil
	}
	descriptor := &descriptorpb.FileDescriptorProto{}
	if proto.Unmarshal(data, descriptor) != nil || len(descriptor.GetMessageType()) == 0 {
		return nil
	}
	return descriptor
}

func appendMessages(dst []message, within protoreflect.FullName, path, shortPath []int, of []*descriptorpb.DescriptorProto) []message {
	short := 0
	for i, d := range of {
		m := message{
			name: protoreflect.FullName(d.GetName()),
			path: append(slices.Clone(path), i), shortPath: append(slices.Clone(shortPath), short),
		}
		if within != "" {
			m.name = within.Append(protoreflect.Name(d.GetName()))
		}
		if d.GetOptions().GetMapEntry() {
			m.shortPath = nil
		} else {
			short++
		}
		dst = appendMessages(append(dst, m), m.name, m.path, m.shortPath, d.GetNestedType())
	}
	return dst
}
