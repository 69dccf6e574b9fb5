package avro_test

import (
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/avro"
	"github.com/weirstreams/weir/codec/registry"
	"github.com/weirstreams/weir/secret"
)

// TestAvroOnARealRegistry goes through both forms, with references and an older schema of the writer.
func TestAvroOnARealRegistry(t *testing.T) {
	url := os.Getenv("WEIR_TEST_REGISTRY")
	if url == "" {
		t.Skip("WEIR_TEST_REGISTRY is not set: run .ci/run registry")
	}
	client, err := registry.NewClient(registry.Config{URLs: secret.URLs(url)})
	if err != nil {
		t.Fatal(err)
	}
	prefix := rand.Text()[:10] + "-"
	options := registry.Options{ReferenceSubject: func(name string) string { return prefix + name }}
	at := &codec.Context{Topic: prefix + "orders", Part: codec.Value}
	city := registry.Reference{Name: "geo.City", Schema: &registry.Schema{
		Type: registry.Avro, Text: `{"type":"record","name":"City","namespace":"geo","fields":[{"name":"name","type":"string"}]}`,
	}}
	const (
		first  = `{"type":"record","name":"Order","namespace":"geo","fields":[{"name":"id","type":"int"},{"name":"to","type":"geo.City"}]}`
		second = `{"type":"record","name":"Order","namespace":"geo","fields":[{"name":"to","type":"geo.City"},{"name":"id","type":"long"},
			{"name":"note","type":["null","string"],"default":null}]}`
	)
	type place struct {
		Name string `avro:"name"`
	}
	type order struct {
		ID   int64   `avro:"id"`
		To   place   `avro:"to"`
		Note *string `avro:"note"`
	}
	writer, err := avro.Generic(first, city)
	if err != nil {
		t.Fatal(err)
	}
	old, err := registry.Of(client, writer, options).Append(nil, at, row{"id": 7, "to": row{"name": "Oslo"}})
	if err != nil {
		t.Fatal(err)
	}
	structs, err := avro.Typed[order](second, city)
	if err != nil {
		t.Fatal(err)
	}
	maps, err := avro.Generic(second, city)
	if err != nil {
		t.Fatal(err)
	}
	now, err := registry.Of(client, structs, options).Append(nil, at, order{ID: 7, To: place{"Oslo"}})
	if err != nil {
		t.Fatal(err)
	}
	if string(old[:5]) == string(now[:5]) {
		t.Errorf("both schemas have the id %x", now[:5])
	}
	for name, wire := range map[string][]byte{"older": old, "own": now} {
		s, err := registry.Of(client, structs, options).Decode(at, wire)
		if err != nil {
			t.Fatal(err)
		}
		same(t, name+" schema, struct", order{ID: 7, To: place{"Oslo"}}, s)
		m, err := registry.Of(client, maps, options).Decode(at, wire)
		if err != nil {
			t.Fatal(err)
		}
		same(t, name+" schema, map", row{"id": int64(7), "to": row{"name": "Oslo"}, "note": nil}, m)
	}
	broken, err := avro.Generic(`{"type":"record","name":"Order","namespace":"geo","fields":[{"name":"to","type":"Nowhere"}]}`, city)
	if err == nil {
		_, err = registry.Of(client, broken, options).Append(nil, at, row{})
	}
	if err == nil || !strings.Contains(err.Error(), "Nowhere") {
		t.Errorf("a schema with an unknown type: got %v", err)
	}
}
