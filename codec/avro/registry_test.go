package avro_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/avro"
	"github.com/weirstreams/weir/codec/registry"
	"github.com/weirstreams/weir/secret"
)

func startRegistry(t testing.TB) (*srfake.Registry, *registry.Client) {
	t.Helper()
	s := srfake.New()
	t.Cleanup(s.Close)
	client, err := registry.NewClient(registry.Config{URLs: secret.URLs(s.URL()), Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	return s, client
}

func TestAvroFramedByARegistry(t *testing.T) {
	s, client := startRegistry(t)
	s.SeedSchema("other", 1, 6, sr.Schema{Schema: `"int"`})
	maps := registry.Of(client, generic(t, rootSchema), registry.Options{})
	structs := registry.Of(client, typed[*root](t, rootSchema), registry.Options{Subject: registry.RecordName})
	const wire = "000000000706666f6ff60100"
	same(t, "bytes of the map", wire, encode(t, maps, row{"name": "foo", "id": 123}))
	same(t, "bytes of the struct", wire, encode(t, structs, &root{Name: "foo", ID: 123}))
	same(t, "struct", &root{Name: "foo", ID: 123}, decode(t, structs, wire))
	same(t, "map", row{"name": "foo", "id": int32(123), "nested": row{"id": int32(0)}}, decode(t, maps, wire))
	for _, subject := range []string{"t-value", "Root"} {
		if got, ok := s.GetSchema(subject, 1); !ok || got.Type != sr.TypeAvro || got.Schema.Schema != rootSchema {
			t.Errorf("%s: registered %+v", subject, got)
		}
	}
	if !structs.(codec.Nuller[*root]).IsNull(nil) || !maps.(codec.Nuller[row]).IsNull(nil) {
		t.Error("nil is not null any more")
	}
}

func TestTheWritersSchemaComesFromTheRegistry(t *testing.T) {
	s, client := startRegistry(t)
	s.SeedSchema("t-value", 1, 3, sr.Schema{Schema: `{"type":"record","name":"Root","fields":[{"name":"id","type":"int"},{"name":"name","type":"string"}]}`})
	s.SeedSchema("t-value", 2, 4, sr.Schema{Schema: `{"type":"record","name":"Root","fields":[{"name":"id","type":"string"}]}`})
	s.SeedSchema("t-value", 3, 5, sr.Schema{Type: sr.TypeJSON, Schema: `{}`})
	structs := registry.Of(client, typed[root](t, rootSchema), registry.Options{})
	maps := registry.Of(client, generic(t, rootSchema), registry.Options{})
	same(t, "struct", root{Name: "a", ID: 5}, decode(t, structs, "00000000030a0261"))
	same(t, "map", row{"name": "a", "id": int32(5), "nested": row{"id": int32(0)}}, decode(t, maps, "00000000030a0261"))
	for id, want := range map[byte]string{4: "cannot be read with this one", 5: "want a schema of type AVRO, the registry has one of type JSON"} {
		for _, err := range []error{
			second(structs.Decode(value, []byte{0, 0, 0, 0, id})), second(maps.Decode(value, []byte{0, 0, 0, 0, id})),
		} {
			if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, codec.ErrUnavailable) {
				t.Errorf("id %d: got %v", id, err)
			}
		}
	}
	s.SeedSchema("latest-value", 1, 8, sr.Schema{Schema: `{"type":"record","name":"Root","fields":[{"name":"id","type":"string"}]}`})
	latest := registry.Of(client, generic(t, rootSchema), registry.Options{Find: registry.UseLatest})
	same(t, "bytes by the latest schema", "00000000080278", appendTo(t, latest, "latest", row{"id": "x", "name": "dropped"}))
}

func appendTo[T any](t testing.TB, cd codec.Codec[T], topic string, v T) string {
	t.Helper()
	out, err := cd.Append(nil, &codec.Context{Topic: topic, Part: codec.Value}, v)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(out)
}

func second[T any](_ T, err error) error { return err }

func TestReferencesArePutWhereTheyAreUsed(t *testing.T) {
	s, client := startRegistry(t)
	const (
		city  = `{"type":"record","name":"City","namespace":"geo","fields":[{"name":"name","type":"string"},{"name":"founded","type":"long","default":1125899906842625}]}`
		place = `{"type":"record","name":"geo.Place","fields":[{"name":"city","type":"City"},{"name":"twin","type":["null","geo.City"],"default":null}]}`
		order = `{"type":"record","name":"Order","namespace":"geo","fields":[{"name":"from","type":"Place"},{"name":"to","type":"geo.Place"}]}`
	)
	references := []registry.Reference{{Name: "geo.Place", Schema: &registry.Schema{
		Type: registry.Avro, Text: place, References: []registry.Reference{{Name: "geo.City", Schema: &registry.Schema{Type: registry.Avro, Text: city}}},
	}}}
	f, err := avro.Generic(order, references...)
	if err != nil {
		t.Fatal(err)
	}
	v := row{"from": row{"city": row{"name": "a"}}, "to": row{"city": row{"name": "b"}, "twin": row{"name": "c"}}}
	cd := registry.Of(client, f, registry.Options{})
	wire := encode(t, cd, v)
	got, _ := s.GetSchema("t-value", 1)
	same(t, "registered", order, got.Schema.Schema)
	same(t, "references", []sr.SchemaReference{{Name: "geo.Place", Subject: "geo.Place", Version: 1}}, got.References)

	read := decode(t, registry.Of(client, f, registry.Options{}), wire)
	founded := int64(1125899906842625)
	same(t, "value", row{
		"from": row{"city": row{"name": "a", "founded": founded}, "twin": nil},
		"to":   row{"city": row{"name": "b", "founded": founded}, "twin": row{"name": "c", "founded": founded}},
	}, read)
}
