// Package registry writes and reads messages with schemas in a schema registry, in the wire format of the Confluent
// clients: a magic byte, the id of the schema, and the payload.
//
// A [Client] talks to a registry that has Confluent's REST API. [Of] makes a codec from it and a [Format], which knows
// the payload: those of codec/avro, codec/protobuf and codec/jsonschema. When a codec first writes to a topic it finds
// or registers its schema; when it first sees an id it fetches the schema that the message was written with, if the
// format wants it. Both are remembered, so that the registry is not asked again for each record.
//
// The calls to the registry are made by the goroutine that encodes or decodes, which waits for the answer.
package registry
