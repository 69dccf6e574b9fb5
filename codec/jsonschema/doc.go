// Package jsonschema is JSON that is checked against a JSON Schema, on its own or with a schema registry.
//
// The JSON text is checked in both directions: before a record is written, and before a record that was read is
// handed on. The checks take several times the time of the JSON itself; see the benchmarks.
package jsonschema
