// Package avro has codecs for Avro: [Typed] for Go structs and [Generic] for maps. Both write the binary encoding of a
// schema without anything around it, and both are formats for codec/registry, which puts the id of the schema before it.
//
// # Which one
//
// Generic is built on linkedin/goavro: it needs no Go type, and each record becomes a map[string]any, with an allocation
// for nearly every value. Typed is built on hamba/avro and fills a struct. For a record of six fields both take about as
// long to encode, and Typed decodes about four times as fast, with no allocation but the strings where Generic has eleven
// (go test -bench . in this package). Use it where the schema is known when the program is written.
//
// # Schema evolution
//
// A message is read with the schema that it was written with (the writer's schema, from the registry or given to
// ReadWith) and then converted to the format's own schema (the reader's), by the rules of the Avro
// specification: fields are matched by name or alias, missing ones take the default, int becomes long, and so on.
//
// # Limits
//
// Lengths and counts in the data are checked before anything is allocated for them, and nesting may be 1,000 deep. Bytes
// after the value are ignored, as Avro readers do.
package avro
