package registry_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/registry"
)

func TestASchemaIsRegisteredOnceForEachSubject(t *testing.T) {
	s := start(t)
	s.SeedSchema("other", 1, 6, avroSchema(`"int"`))
	cd := registry.Of(newClient(t, s), newLetters(stringSchema), registry.Options{})
	for range 3 {
		if got, want := appends(t, cd, value, "foo"), "0000000007464f4f"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	appends(t, cd, &codec.Context{Topic: "orders", Part: codec.Key}, "k")
	appends(t, cd, value, "foo")
	appends(t, cd, &codec.Context{Topic: "totals", Part: codec.State}, "k")
	want := []string{
		"POST /subjects/orders-value/versions", "POST /subjects/orders-key/versions", "POST /subjects/totals-state/versions",
	}
	if diff := cmp.Diff(want, s.asked()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestManyGoroutinesRegisterASchemaOnce(t *testing.T) {
	s := start(t)
	cd := registry.Of(newClient(t, s), newLetters(stringSchema), registry.Options{})
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 100 {
				out, err := cd.Append(nil, value, "a")
				if err != nil || string(out) != string(frame(1, "A")) {
					t.Errorf("got %x, %v", out, err)
					return
				}
				if v, err := cd.Decode(value, out); v != "A" || err != nil {
					t.Errorf("got %q, %v", v, err)
					return
				}
			}
		})
	}
	wait.Wait()
	want := []string{"POST /subjects/orders-value/versions", "GET /schemas/ids/1?subject=orders-value"}
	if diff := cmp.Diff(want, s.asked()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestSubjectsAreNamedByTheStrategy(t *testing.T) {
	for _, tc := range []struct {
		strategy registry.SubjectName
		want     string
	}{
		{nil, "orders-value"},
		{registry.TopicName, "orders-value"},
		{registry.RecordName, "shop.Letters"},
		{registry.TopicRecordName, "orders-shop.Letters"},
	} {
		s := start(t)
		cd := registry.Of(newClient(t, s), newLetters(stringSchema), registry.Options{Subject: tc.strategy, Normalize: true})
		appends(t, cd, value, "a")
		if diff := cmp.Diff([]string{"POST /subjects/" + tc.want + "/versions?normalize=true"}, s.asked()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.want, diff)
		}
	}
	s := start(t)
	nameless := newLetters(stringSchema)
	nameless.schema.Name = ""
	for _, strategy := range []registry.SubjectName{registry.RecordName, registry.TopicRecordName} {
		_, err := registry.Of(newClient(t, s), nameless, registry.Options{Subject: strategy}).Append(nil, value, "a")
		if err == nil || !strings.Contains(err.Error(), "the schema has no record name") {
			t.Errorf("got %v", err)
		}
	}
}

func TestLookUpDoesNotRegister(t *testing.T) {
	s := start(t)
	cd := registry.Of(newClient(t, s), newLetters(stringSchema), registry.Options{Find: registry.LookUp})
	_, err := cd.Append(nil, value, "a")
	want := `encode value of topic "orders" as string: schema registry: look up schema of subject "orders-value" (status 404, code 40401): ` +
		`subject "orders-value" not found`
	if err == nil || err.Error() != want || !errors.Is(err, codec.ErrUnavailable) {
		t.Errorf("got\n\t%v\nwant\n\t%s\nwhich no policy skips", err, want)
	}
	s.SeedSchema("orders-value", 1, 9, avroSchema(stringSchema))
	if got, want := appends(t, cd, value, "a"), "000000000941"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, r := range s.asked() {
		if strings.HasSuffix(r, "/versions") {
			t.Errorf("asked %s", r)
		}
	}
}

func TestUseLatestWritesWithTheLatestVersion(t *testing.T) {
	s := start(t)
	s.SeedSchema("orders-value", 1, 4, avroSchema(`"bytes"`))
	s.SeedSchema("orders-value", 2, 5, avroSchema(`"int"`))
	format := newLetters(stringSchema)
	cd := registry.Of(newClient(t, s), format, registry.Options{Find: registry.UseLatest})
	if got, want := appends(t, cd, value, "a"), "000000000541"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if diff := cmp.Diff([]registry.Schema{{Type: registry.Avro, Text: `"int"`}}, *format.seen); diff != "" {
		t.Errorf("schema to write with (-want +got):\n%s", diff)
	}
}

func TestAnIncompatibleSchemaIsShownWithItsReasons(t *testing.T) {
	s := start(t)
	s.SeedSchema("orders-value", 1, 4, avroSchema(`"int"`))
	s.answers(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasPrefix(r.URL.Path, "/compatibility/") && r.URL.Query().Get("verbose") == "true":
			w.Write([]byte(`{"is_compatible":false,"messages":["reader type: STRING not compatible with writer type: INT"]}`))
		case r.Method == http.MethodPost:
			w.WriteHeader(http.StatusConflict)
			w.Write([]byte(`{"error_code":409,"message":"Schema being registered is incompatible with an earlier schema"}`))
		default:
			return false
		}
		return true
	})
	cd := registry.Of(newClient(t, s), newLetters(stringSchema), registry.Options{})
	_, err := cd.Append(nil, value, "a")
	want := `encode value of topic "orders" as string: schema registry: register schema of subject "orders-value" (status 409, code 409): ` +
		`Schema being registered is incompatible with an earlier schema: reader type: STRING not compatible with writer type: INT`
	if err == nil || err.Error() != want || !errors.Is(err, codec.ErrUnavailable) {
		t.Errorf("got\n\t%v\nwant\n\t%s\nwhich no policy skips", err, want)
	}
	if status, code := registry.StatusCode(err); status != 409 || code != 409 {
		t.Errorf("status %d, code %d", status, code)
	}
	s.answers(nil)
	if got, want := appends(t, cd, value, "a"), "000000000541"; got != want {
		t.Errorf("after the subject was changed: got %s, want %s", got, want)
	}
}

func TestReferencesAreRegisteredFirstAndFetchedWithTheSchema(t *testing.T) {
	s := start(t)
	format := newLetters(`"shop.Order"`)
	address := &registry.Schema{Type: registry.Avro, Text: `"string"`}
	customer := &registry.Schema{
		Type: registry.Avro, Text: `"shop.Address"`, References: []registry.Reference{{Name: "shop.Address", Schema: address}},
	}
	format.schema.References = []registry.Reference{
		{Name: "shop.Customer", Schema: customer},
		{Name: "shop.Address", Subject: "addresses", Version: 1},
	}
	s.SeedSchema("addresses", 1, 50, avroSchema(`"string"`))
	cd := registry.Of(newClient(t, s), format, registry.Options{ReferenceSubject: func(name string) string { return "ref-" + name }})
	out, err := cd.Append(nil, value, "a")
	if err != nil {
		t.Fatal(err)
	}
	got, ok := s.GetSchema("orders-value", 1)
	want := []sr.SchemaReference{{Name: "shop.Customer", Subject: "ref-shop.Customer", Version: 1}, {Name: "shop.Address", Subject: "addresses", Version: 1}}
	if diff := cmp.Diff(want, got.References); !ok || diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
	*format.seen = nil
	if _, err := registry.Of(newClient(t, s), format, registry.Options{}).Decode(value, out); err != nil {
		t.Fatal(err)
	}
	fetched := (*format.seen)[0]
	if text := fetched.References[0].Schema.References[0].Schema.Text; text != `"string"` {
		t.Errorf("the reference of the reference is %s", text)
	}
}

func TestAnUnknownIDIsTheRecordsFaultAndRemembered(t *testing.T) {
	s := start(t)
	cd := registry.Of(newClient(t, s), newLetters(stringSchema), registry.Options{})
	for range 3 {
		_, err := cd.Decode(value, frame(9, "x"))
		want := `decode value of topic "orders" as string: schema registry: fetch schema of id 9 (status 404, code 40403): schema not found`
		if err == nil || err.Error() != want || errors.Is(err, codec.ErrUnavailable) {
			t.Errorf("got\n\t%v\nwant\n\t%s\nwhich a policy may skip", err, want)
		}
	}
	if n := len(s.asked()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestARegistryThatIsDownIsNotTheRecordsFault(t *testing.T) {
	s := start(t)
	s.SeedSchema("orders-value", 1, 9, avroSchema(stringSchema))
	s.answers(fails(4, http.StatusServiceUnavailable))
	cd := registry.Of(newClient(t, s), newLetters(stringSchema), registry.Options{})
	if _, err := cd.Decode(value, frame(9, "x")); !errors.Is(err, codec.ErrUnavailable) || !errors.Is(err, codec.ErrOutage) {
		t.Errorf("got %v, want an error that no policy skips, and that passes", err)
	}
	if n := len(s.asked()); n != 4 {
		t.Errorf("%d requests, want 1 and 3 more", n)
	}
	if v, err := cd.Decode(value, frame(9, "x")); v != "x" || err != nil {
		t.Errorf("when it is back: got %q, %v", v, err)
	}
}

func TestFormatsThatNeedNoWritersSchemaDoNotAskForIt(t *testing.T) {
	s := start(t)
	format := newLetters(stringSchema)
	format.wantsWriter = false
	cd := registry.Of(newClient(t, s), format, registry.Options{})
	if v, err := cd.Decode(value, frame(9, "x")); v != "x" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	if asked := s.asked(); asked != nil {
		t.Errorf("asked %q", asked)
	}
}

func TestARefusalIsNoOutage(t *testing.T) {
	for status, outage := range map[int]bool{400: false, 401: false, 403: false, 409: false, 422: false, 429: true, 500: true, 503: true} {
		s := start(t)
		s.answers(fails(100, status))
		cd := registry.Of(newClient(t, s), newLetters(stringSchema), registry.Options{})
		_, encoding := cd.Append(nil, value, "a")
		_, decoding := cd.Decode(value, frame(9, "x"))
		for _, err := range []error{encoding, decoding} {
			if !errors.Is(err, codec.ErrUnavailable) || errors.Is(err, codec.ErrOutage) != outage {
				t.Errorf("status %d: got %v", status, err)
			}
		}
	}
}

func TestACodecWaitsTwiceTheTimeoutAtMost(t *testing.T) {
	s := start(t)
	stop := make(chan struct{})
	s.answers(func(http.ResponseWriter, *http.Request) bool { <-stop; return true })
	defer close(stop)
	const timeout = 200 * time.Millisecond
	cd := registry.Of(newClient(t, s, func(c *registry.Config) { c.Timeout, c.Retries = timeout, 100 }), newLetters(stringSchema), registry.Options{})
	began := time.Now()
	_, err := cd.Append(nil, value, "a")
	if took := time.Since(began); !errors.Is(err, codec.ErrOutage) || took < timeout || took > 10*timeout {
		t.Errorf("got %v after %v", err, took)
	}
}
