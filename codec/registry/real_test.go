package registry_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/jsonschema"
	"github.com/weirstreams/weir/codec/registry"
	"github.com/weirstreams/weir/secret"
)

// realRegistry returns the address of the registry server that internal/testserver started, and a client.
func realRegistry(t *testing.T) (string, *registry.Client) {
	t.Helper()
	url := os.Getenv("WEIR_TEST_REGISTRY")
	if url == "" {
		t.Skip("WEIR_TEST_REGISTRY is not set: run .ci/run registry")
	}
	client, err := registry.NewClient(registry.Config{URLs: secret.URLs(url), RetryBase: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return url, client
}

// unused returns a name that no other test has.
func unused(prefix string) string { return prefix + "-" + rand.Text()[:10] }

// call sends a request to the registry without the client that is tested, and decodes the answer.
func call(t *testing.T, method, url, body string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		t.Fatalf("%s %s: status %d, %v: %s", method, url, response.StatusCode, err, answer)
	}
	if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			t.Fatalf("%s %s: %v: %s", method, url, err, answer)
		}
	}
}

func recordSchema(name, fields string) registry.Schema {
	return registry.Schema{
		Type: registry.Avro, Name: name, Text: `{"type":"record","name":"` + name + `","fields":[` + fields + `]}`,
	}
}

func TestOnARealRegistryASchemaIsRegisteredLookedUpAndRead(t *testing.T) {
	url, client := realRegistry(t)
	at := &codec.Context{Topic: unused("orders"), Part: codec.Value}
	subject := at.Topic + "-value"
	lookUp := registry.Of(client, newLetters(stringSchema), registry.Options{Find: registry.LookUp})
	_, err := lookUp.Append(nil, at, "a")
	if status, code := registry.StatusCode(err); status != 404 || code != 40401 && code != 40403 || !errors.Is(err, codec.ErrUnavailable) {
		t.Errorf("before it is registered: got %v", err)
	}
	registers := registry.Of(client, newLetters(stringSchema), registry.Options{})
	frame := appends(t, registers, at, "a")
	var has struct {
		ID     int
		Schema string
	}
	call(t, http.MethodGet, url+"/subjects/"+subject+"/versions/1", "", &has)
	if want := frameOf(has.ID, "A"); frame != want || has.Schema != stringSchema {
		t.Errorf("got %s with the schema %s, want %s with %s", frame, has.Schema, want, stringSchema)
	}
	latest := registry.Of(client, newLetters(`"bytes"`), registry.Options{Find: registry.UseLatest})
	for name, cd := range map[string]codec.Codec[string]{"look up": lookUp, "latest": latest} {
		if got := appends(t, cd, at, "a"); got != frame {
			t.Errorf("%s: got %s, want %s", name, got, frame)
		}
	}
	format := newLetters(`"bytes"`)
	v, err := registry.Of(client, format, registry.Options{}).Decode(at, bytesOf(frame))
	if v != "A" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	if diff := cmp.Diff([]registry.Schema{{Type: registry.Avro, Text: stringSchema}}, *format.seen); diff != "" {
		t.Errorf("schema of the writer (-want +got):\n%s", diff)
	}
}

func TestOnARealRegistrySubjectsFollowTheStrategy(t *testing.T) {
	url, client := realRegistry(t)
	topic, name := unused("orders"), unused("record")
	format := newLetters(stringSchema)
	format.schema.Name = name
	for _, strategy := range []registry.SubjectName{registry.TopicName, registry.RecordName, registry.TopicRecordName} {
		cd := registry.Of(client, format, registry.Options{Subject: strategy})
		appends(t, cd, &codec.Context{Topic: topic, Part: codec.Key}, "a")
	}
	var subjects []string
	call(t, http.MethodGet, url+"/subjects", "", &subjects)
	for _, want := range []string{topic + "-key", name, topic + "-" + name} {
		if !slices.Contains(subjects, want) {
			t.Errorf("there is no subject %s", want)
		}
	}
}

func TestOnARealRegistryAnIncompatibleSchemaIsShownWithItsReasons(t *testing.T) {
	url, client := realRegistry(t)
	at := &codec.Context{Topic: unused("orders"), Part: codec.Value}
	appends(t, registry.Of(client, newLetters(`"int"`), registry.Options{}), at, "a")
	call(t, http.MethodPut, url+"/config/"+at.Topic+"-value", `{"compatibility":"BACKWARD"}`, nil)
	_, err := registry.Of(client, newLetters(`"boolean"`), registry.Options{}).Append(nil, at, "a")
	if status, _ := registry.StatusCode(err); status != 409 || !errors.Is(err, codec.ErrUnavailable) || errors.Is(err, codec.ErrOutage) {
		t.Errorf("got %v, want status 409, which no policy skips and no wait repairs", err)
	}
	for _, want := range []string{"register schema", at.Topic + "-value", "BOOLEAN", "INT", "not compatible"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
	// A long reads what was written as an int.
	appends(t, registry.Of(client, newLetters(`"long"`), registry.Options{}), at, "a")
}

func TestOnARealRegistryNormalizationFindsOtherSpellings(t *testing.T) {
	_, client := realRegistry(t)
	subject := unused("orders")
	register := func(text string, normalize bool) int {
		t.Helper()
		id, err := client.Register(t.Context(), subject, registry.Schema{Type: registry.Avro, Text: text}, normalize, nil)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	plain := register(`{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`, true)
	const spelled = `{ "name" : "R", "type" : "record", "fields" : [ { "type" : { "type" : "int" }, "name" : "a" } ] }`
	if id := register(spelled, true); id != plain {
		t.Errorf("normalized: id %d, want %d", id, plain)
	}
	found, err := client.Lookup(t.Context(), subject, registry.Schema{Type: registry.Avro, Text: spelled}, true, nil)
	if err != nil || found.ID != plain || found.Version != 1 {
		t.Errorf("looked up: got %+v, %v", found, err)
	}
	if id := register(spelled, false); id == plain {
		t.Error("without normalization the spelling does not count")
	}
}

func TestOnARealRegistryReferencesAreRegisteredFirstAndFetched(t *testing.T) {
	_, client := realRegistry(t)
	country := recordSchema("Country", `{"name":"code","type":"string"}`)
	city := recordSchema("City", `{"name":"country","type":"Country"}`)
	city.References = []registry.Reference{{Name: "Country", Schema: &country}}
	order := recordSchema("Order", `{"name":"to","type":"City"},{"name":"from","type":"Country"}`)
	order.References = []registry.Reference{{Name: "City", Schema: &city}, {Name: "Country", Schema: &country}}
	at := &codec.Context{Topic: unused("orders"), Part: codec.Value}
	prefix := unused("refs") + "-"
	format := newLetters("")
	format.schema = order
	options := registry.Options{ReferenceSubject: func(name string) string { return prefix + name }}
	frame := appends(t, registry.Of(client, format, options), at, "a")

	*format.seen = nil
	if _, err := registry.Of(client, format, options).Decode(at, bytesOf(frame)); err != nil {
		t.Fatal(err)
	}
	plain := func(s registry.Schema, references ...registry.Reference) *registry.Schema {
		return &registry.Schema{Type: registry.Avro, Text: s.Text, References: references}
	}
	reference := func(name string, s *registry.Schema) registry.Reference {
		return registry.Reference{Name: name, Subject: prefix + name, Version: 1, Schema: s}
	}
	toCountry := reference("Country", plain(country))
	want := plain(order, reference("City", plain(city, toCountry)), toCountry)
	byName := cmpopts.SortSlices(func(a, b registry.Reference) bool { return a.Name < b.Name })
	if diff := cmp.Diff([]registry.Schema{*want}, *format.seen, byName); diff != "" {
		t.Errorf("schema of the writer (-want +got):\n%s", diff)
	}
	if again := appends(t, registry.Of(client, format, registry.Options{
		Find: registry.LookUp, ReferenceSubject: options.ReferenceSubject,
	}), at, "a"); again != frame {
		t.Errorf("looked up: got %s, want %s", again, frame)
	}
}

func TestOnARealRegistryAnUnknownIDIsTheRecordsFault(t *testing.T) {
	_, client := realRegistry(t)
	cd := registry.Of(client, newLetters(stringSchema), registry.Options{})
	_, err := cd.Decode(value, []byte{0, 0x7f, 0xff, 0xff, 0xff, 'x'})
	if status, code := registry.StatusCode(err); status != 404 || code != 40403 || errors.Is(err, codec.ErrUnavailable) {
		t.Errorf("got %v, want an error that a policy may skip", err)
	}
}

func TestOnARealRegistryASchemaThatIsNoneIsRefused(t *testing.T) {
	_, client := realRegistry(t)
	at := &codec.Context{Topic: unused("orders"), Part: codec.Value}
	_, err := registry.Of(client, newLetters(`{"type":"no such type"}`), registry.Options{}).Append(nil, at, "a")
	if status, _ := registry.StatusCode(err); status != 422 || !errors.Is(err, codec.ErrUnavailable) || errors.Is(err, codec.ErrOutage) {
		t.Errorf("got %v, want status 422", err)
	}
}

func TestJSONSchemasOnARealRegistry(t *testing.T) {
	url, client := realRegistry(t)
	type order struct {
		ID int `json:"id"`
	}
	const text = `{"$schema":"http://json-schema.org/draft-07/schema#","title":"Order","type":"object","properties":{"id":{"$ref":"id.json"}}}`
	id := &registry.Schema{Type: registry.JSON, Text: `{"$schema":"http://json-schema.org/draft-07/schema#","type":"integer","minimum":1}`}
	subject := unused("id")
	format, err := jsonschema.New[order](text, registry.Reference{Name: "id.json", Schema: id})
	if err != nil {
		t.Fatal(err)
	}
	at := &codec.Context{Topic: unused("orders"), Part: codec.Value}
	cd := registry.Of(client, format, registry.Options{ReferenceSubject: func(string) string { return subject }})
	wire, err := cd.Append(nil, at, order{ID: 7})
	if err != nil {
		t.Fatal(err)
	}
	var has struct {
		ID         int
		SchemaType string
		References []struct{ Name, Subject string }
	}
	call(t, http.MethodGet, url+"/subjects/"+at.Topic+"-value/versions/latest", "", &has)
	if len(has.References) != 1 || has.References[0].Subject != subject || has.SchemaType != "JSON" || frameOf(has.ID, `{"id":7}`) != hexOf(wire) {
		t.Errorf("got %x, and the registry has %+v", wire, has)
	}
	latest := registry.Of(client, format, registry.Options{Find: registry.UseLatest})
	if _, err := latest.Append(nil, at, order{ID: 0}); err == nil || !strings.Contains(err.Error(), "minimum") {
		t.Errorf("an invalid value by the latest schema: got %v", err)
	}
	if v, err := latest.Decode(at, wire); v.ID != 7 || err != nil {
		t.Errorf("got %+v, %v", v, err)
	}
}
