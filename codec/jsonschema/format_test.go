package jsonschema_test

import (
	"encoding/hex"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/jsonschema"
	"github.com/weirstreams/weir/codec/registry"
	"github.com/weirstreams/weir/secret"
)

type root struct {
	ID    int    `json:"id"`
	Name  string `json:"name"`
	Extra any    `json:"extra,omitempty"`
}

const rootSchema = `{
	"title": "Root", "type": "object", "required": ["id", "name"], "additionalProperties": false,
	"properties": {"id": {"type": "integer", "minimum": 1}, "name": {"type": "string"}}
}`

var value = &codec.Context{Topic: "orders", Part: codec.Value}

func newRoot[T any](t testing.TB) *jsonschema.Format[T] {
	t.Helper()
	f, err := jsonschema.New[T](rootSchema)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestValidJSONIsWrittenAndRead(t *testing.T) {
	f := newRoot[root](t)
	out, err := f.Append([]byte("."), value, root{ID: 10, Name: "foo"})
	if string(out) != `.{"id":10,"name":"foo"}` || err != nil {
		t.Errorf("got %s, %v", out, err)
	}
	v, err := f.Decode(value, out[1:])
	if diff := cmp.Diff(root{ID: 10, Name: "foo"}, v); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

func TestEverythingThatIsInvalidIsListed(t *testing.T) {
	f := newRoot[root](t)
	_, err := f.Decode(value, []byte(`{"id":0,"extra":1}`))
	const want = `decode value of topic "orders" as jsonschema_test.root: not valid by the schema: `
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Fatalf("got %v", err)
	}
	invalid, ok := errors.AsType[*jsonschema.Invalid](err)
	if !ok || len(invalid.Findings) != 3 {
		t.Fatalf("got %+v", err)
	}
	for _, part := range []string{"missing property 'name'", "additional properties 'extra' not allowed", "at /id: minimum: got 0, want 1"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in %v", part, err)
		}
	}
	if out, err := f.Append([]byte("."), value, root{Name: "x"}); string(out) != "." || err == nil ||
		!strings.HasPrefix(err.Error(), `encode value of topic "orders"`) {
		t.Errorf("got %s, %v", out, err)
	}
	if _, err := f.Decode(value, []byte(`{"id":`)); err == nil {
		t.Error("broken JSON was accepted")
	}
}

func TestNumbersAreCheckedWithAllTheirDigits(t *testing.T) {
	f, err := jsonschema.New[map[string]any](`{"properties":{"n":{"maximum":9007199254740993}}}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Decode(value, []byte(`{"n":9007199254740993}`)); err != nil {
		t.Error(err)
	}
	if _, err := f.Decode(value, []byte(`{"n":9007199254740994}`)); err == nil {
		t.Error("a greater number was accepted")
	}
}

func TestBrokenSchemasAreRefused(t *testing.T) {
	for _, text := range []string{`{`, `{"type": 5}`, `{"$ref": "other.json"}`, `{"$ref": "file:///etc/passwd"}`, `{"$ref": "http://localhost/x"}`} {
		if _, err := jsonschema.New[root](text); err == nil || !strings.HasPrefix(err.Error(), "JSON schema: ") {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func TestReferencesAreGivenAndNotLoaded(t *testing.T) {
	f, err := jsonschema.New[map[string]any](`{"properties":{"home":{"$ref":"address.json"}}}`, registry.Reference{
		Name: "address.json", Schema: &registry.Schema{
			Type: registry.JSON, Text: `{"required":["city"],"properties":{"city":{"$ref":"city.json"}}}`,
			References: []registry.Reference{{Name: "city.json", Schema: &registry.Schema{Type: registry.JSON, Text: `{"type":"string"}`}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Decode(value, []byte(`{"home":{"city":"Oslo"}}`)); err != nil {
		t.Error(err)
	}
	if _, err := f.Decode(value, []byte(`{"home":{"city":5}}`)); err == nil || !strings.Contains(err.Error(), "at /home/city: got number, want string") {
		t.Errorf("got %v", err)
	}
}

func TestNilIsNull(t *testing.T) {
	if f := newRoot[*root](t); !f.IsNull(nil) || f.IsNull(&root{}) {
		t.Error("a nil pointer, and only that, is null")
	}
	if newRoot[root](t).IsNull(root{}) {
		t.Error("a struct is never null")
	}
}

func TestFramedByARegistry(t *testing.T) {
	server := srfake.NewRegistry()
	h := httptest.NewServer(server.Handler())
	t.Cleanup(h.Close)
	server.SeedSchema("other", 1, 6, sr.Schema{Schema: `"int"`})
	client, err := registry.NewClient(registry.Config{URLs: secret.URLs(h.URL)})
	if err != nil {
		t.Fatal(err)
	}
	cd := registry.Of(client, newRoot[*root](t), registry.Options{})
	out, err := cd.Append(nil, value, &root{ID: 10, Name: "foo"})
	if got, want := hex.EncodeToString(out), "00000000077b226964223a31302c226e616d65223a22666f6f227d"; got != want || err != nil {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	v, err := cd.Decode(value, out)
	if diff := cmp.Diff(&root{ID: 10, Name: "foo"}, v); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if registered, ok := server.GetSchema("orders-value", 1); !ok || registered.Type != sr.TypeJSON || registered.Schema.Schema != rootSchema {
		t.Errorf("registered %+v", registered)
	}
	if !cd.(codec.Nuller[*root]).IsNull(nil) {
		t.Error("nil is not null any more")
	}

	server.SeedSchema("strict-value", 1, 30, sr.Schema{Type: sr.TypeJSON, Schema: `{"properties":{"id":{"maximum":5}}}`})
	strict := registry.Of(client, newRoot[*root](t), registry.Options{Find: registry.UseLatest})
	if _, err := strict.Append(nil, &codec.Context{Topic: "strict"}, &root{ID: 10}); err == nil {
		t.Error("a topic without the schema was written to")
	}
	_, err = strict.Append(nil, &codec.Context{Topic: "strict", Part: codec.Value}, &root{ID: 10, Name: "foo"})
	if err == nil || !strings.Contains(err.Error(), "at /id: maximum: got 10, want 5") {
		t.Errorf("got %v", err)
	}
}

func FuzzFormat(f *testing.F) {
	cd := newRoot[map[string]any](f)
	for _, seed := range []string{`{"id":1,"name":""}`, `{"id":1.0,"name":"a"}`, `{"id":1e400,"name":"a"}`, `[]`, `null`, `{"id":`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := cd.Decode(value, data)
		if err != nil {
			_ = err.Error()
			return
		}
		if _, err := cd.Append(nil, value, v); err != nil {
			t.Errorf("decoded %q but cannot encode it: %v", data, err)
		}
	})
}
