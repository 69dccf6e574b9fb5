package registry

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/sr"
)

// Type is the language of a schema.
type Type string

// The types of schemas, as the registry calls them.
const (
	Avro     Type = "AVRO"
	JSON     Type = "JSON"
	Protobuf Type = "PROTOBUF"
)

// Schema is a schema with those that it refers to.
type Schema struct {
	Type Type
	// Text is the schema: Avro and JSON Schema as JSON, Protobuf as the source of the .proto file.
	Text string
	// Name is the full name of the record or message, for the subject naming strategies that want it. It is empty in
	// schemas that come from the registry.
	Name string
	// References are the schemas that Text refers to, those that they need in turn in their own References.
	References []Reference
}

// Reference is a schema that another one refers to.
type Reference struct {
	// Name is its name in the text of the schema: the full name of an Avro type, the path of an imported .proto file,
	// or the URI of a $ref.
	Name string
	// Subject is its subject in the registry. If empty, [Options.ReferenceSubject] makes it of Name.
	Subject string
	// Version is the version under Subject. If it is 0 and a schema is to be written, Schema is registered or looked up.
	Version int
	// Schema is the schema itself. It may be left out if Subject and Version are given.
	Schema *Schema
}

func (t Type) wire() (sr.SchemaType, error) {
	switch t {
	case Avro:
		return sr.TypeAvro, nil
	case JSON:
		return sr.TypeJSON, nil
	case Protobuf:
		return sr.TypeProtobuf, nil
	}
	return 0, fmt.Errorf("schema type %q: want AVRO, JSON or PROTOBUF", string(t))
}

func typeOf(t sr.SchemaType) Type {
	switch t {
	case sr.TypeJSON:
		return JSON
	case sr.TypeProtobuf:
		return Protobuf
	default:
		return Avro
	}
}
