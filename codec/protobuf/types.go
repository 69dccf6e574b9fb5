package protobuf

import (
	"context"
	"fmt"
	"io"
	"io/fs"

	"github.com/bufbuild/protocompile"
	"github.com/jhump/protoreflect/v2/protoresolve"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Types are message types that are known by their descriptors.
type Types struct {
	registry *protoresolve.Registry
}

// Compile compiles .proto files and their imports. Paths are relative to fsys, as imports are; the files of
// google/protobuf need not be there. The error names file, line and column.
func Compile(fsys fs.FS, paths ...string) (*Types, error) {
	return compile(func(path string) (io.ReadCloser, error) { return fsys.Open(path) }, paths...)
}

func compile(open func(path string) (io.ReadCloser, error), paths ...string) (*Types, error) {
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: open})}
	files, err := compiler.Compile(context.Background(), paths...)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	t := &Types{&protoresolve.Registry{}}
	for _, file := range files {
		if err := t.add(file); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// FromDescriptorSet takes the types of a descriptor set, which has to hold imported files too, as
// `protoc --include_imports --descriptor_set_out` writes them.
func FromDescriptorSet(set *descriptorpb.FileDescriptorSet) (*Types, error) {
	r, err := protoresolve.FromFileDescriptorSet(set)
	if err != nil {
		return nil, fmt.Errorf("descriptor set: %w", err)
	}
	return &Types{r}, nil
}

// add registers a file after those that it imports.
func (t *Types) add(file protoreflect.FileDescriptor) error {
	if _, err := t.registry.FindFileByPath(file.Path()); err == nil {
		return nil
	}
	for i := range file.Imports().Len() {
		if err := t.add(file.Imports().Get(i).FileDescriptor); err != nil {
			return err
		}
	}
	return t.registry.RegisterFile(file)
}

// Message returns the descriptor of a message by its full name, such as "shop.Order" or "shop.Order.Item".
func (t *Types) Message(name string) (protoreflect.MessageDescriptor, error) {
	m, err := t.registry.FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		return nil, fmt.Errorf("message %s: %w", name, err)
	}
	return m, nil
}

// Resolver finds types for google.protobuf.Any and extensions; see [MapOptions].
func (t *Types) Resolver() TypeResolver { return t.registry.AsTypeResolver() }
