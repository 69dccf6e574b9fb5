// Package jsonschema is JSON that is checked against a JSON Schema, on its own or with a schema registry.
//
// What is checked is the JSON text, in both directions: before a record is written, and before one that was read is
// handed on. The checks cost several times what the JSON itself costs; see the benchmarks.
package jsonschema
