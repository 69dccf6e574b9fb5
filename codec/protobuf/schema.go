package protobuf

import (
	"fmt"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/jhump/protoreflect/v2/protoprint"
	"google.golang.org/protobuf/reflect/protoreflect"

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
		// Descriptors that come from a compiler can be printed; the registry will say what is wrong with this text.
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

// findIn compiles a schema of the registry and looks for a message.
func findIn(s registry.Schema, name protoreflect.FullName) (protoreflect.MessageDescriptor, error) {
	const root = "registered.proto"
	files := map[string]string{root: s.Text}
	addFiles(files, s.References)
	types, err := compile(protocompile.SourceAccessorFromMap(files), root)
	if err != nil {
		return nil, err
	}
	return types.Message(string(name))
}

func addFiles(files map[string]string, references []registry.Reference) {
	for _, r := range references {
		if _, known := files[r.Name]; known || r.Schema == nil {
			continue
		}
		files[r.Name] = r.Schema.Text
		addFiles(files, r.Schema.References)
	}
}
