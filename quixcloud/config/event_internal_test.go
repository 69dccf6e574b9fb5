package config

import (
	"strings"
	"testing"
	"time"
)

const example = `{"id":"30c9ab2c9857536f3241a8f2f8779974a303cec8","event":"created","contentUrl":"http://cfg/1","metadata":{` +
	`"type":"device-config","target_key":"dev1","valid_from":"2025-01-01T00:00:00Z","category":"c","version":1,` +
	`"created_at":"2025-01-01T00:00:00Z","sha256sum":"abc"}}`

func TestEvents(t *testing.T) {
	e, err := decodeEvent([]byte(example), 3, 4)
	if err != nil {
		t.Fatal(err)
	}
	want := event{
		id: idOf("device-config", "dev1"), kind: "device-config", key: "dev1", number: 1,
		validFrom: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano(), source: source{url: "http://cfg/1", sum: "abc"},
	}
	if e != want {
		t.Errorf("got  %+v\nwant %+v", e, want)
	}
	wild, err := parseID("de47218a4d7b44188f28c40ec24f83183dfa24ad")
	if err != nil || wild != idOf("device-config", "*") {
		t.Errorf("got %x, %v", wild, err)
	}
	for from, nanos := range map[string]int64{
		`null`: always, `"1970-01-01T00:00:00.25Z"`: 250_000_000, `"1970-01-01T01:00:01+01:00"`: 1_000_000_000, `"1970-01-01T00:00:00+0000"`: 0,
		`"0001-01-01T00:00:00Z"`: always, `"9999-01-01T00:00:00Z"`: never,
	} {
		text := strings.Replace(example, `"2025-01-01T00:00:00Z","category"`, from+`,"category"`, 1)
		e, err := decodeEvent([]byte(text), 0, 0)
		if err != nil || e.validFrom != nanos {
			t.Errorf("%s: got %d, %v, want %d", from, e.validFrom, err, nanos)
		}
	}
	// Without a sum, what an event names is its own.
	e, err = decodeEvent([]byte(strings.Replace(example, `"abc"`, `""`, 1)), 3, 4)
	if err != nil || e.source != (source{url: "http://cfg/1", partition: 3, offset: 4}) {
		t.Errorf("got %+v, %v", e.source, err)
	}
	// A deletion need not have more than an id and a version.
	e, err = decodeEvent([]byte(`{"id":"30c9ab2c9857536f3241a8f2f8779974a303cec8","event":"deleted","metadata":{"version":2}}`), 0, 0)
	if err != nil || !e.deleted || e.number != 2 {
		t.Errorf("got %+v, %v", e, err)
	}
}

// L-33, L-34: what is wrong is said.
func TestEventsThatCannotBeUnderstood(t *testing.T) {
	for want, text := range map[string]string{
		"unexpected":          `{`,
		"id \"x\"":            strings.Replace(example, "30c9ab2c9857536f3241a8f2f8779974a303cec8", "x", 1),
		"in lower case":       strings.Replace(example, "30c9ab2c", "30C9AB2C", 1),
		"no metadata.version": strings.Replace(example, `"version":1,`, "", 1),
		`event is "moved"`:    strings.Replace(example, "created", "moved", 1),
		"no contentUrl":       strings.Replace(example, "http://cfg/1", "", 1),
		"valid_from":          strings.Replace(example, "2025-01-01T00:00:00Z", "soon", 1),
	} {
		if _, err := decodeEvent([]byte(text), 0, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func FuzzDecodeEvent(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte(`{"id":"30c9ab2c9857536f3241a8f2f8779974a303cec8","event":"deleted","metadata":{"version":-2}}`))
	f.Add([]byte(`{"metadata":{"valid_from":null,"version":1e3}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := decodeEvent(data, 1, 2)
		if err == nil && !e.deleted && e.source.url == "" {
			t.Errorf("%q has no source", data)
		}
		if _, err2 := newTable(nil).apply(e); err == nil && (err2 != nil) != e.deleted {
			t.Errorf("%q: %v", data, err2)
		}
	})
}
