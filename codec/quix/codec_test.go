package quix_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/quix"
)

type row = map[string]any

const (
	timeseriesJSON = `{"BinaryValues":{"d":["Ynl0ZXM="]},"StringValues":{"c":["string"]},"NumericValues":{"a":[1],"b":[1.1]},"Timestamps":[1234567890],"TagValues":{"tag1":["tag"]}}`
	eventJSON      = `{"Id":"an_event","Value":"any_string","Tags":{"tag1":"tag"},"Timestamp":1692703362840389000}`
	legacySeries   = `{"C":"JT","K":"ParameterData","V":` + timeseriesJSON + `,"S":34,"E":192}`
	legacyEvent    = `{"C":"JT","K":"EventData","V":` + eventJSON + `,"S":30,"E":122}`
)

func sample() quix.Sample {
	return quix.Sample{
		Timestamp: 1234567890, Numeric: map[string]float64{"a": 1, "b": 1.1}, Strings: map[string]string{"c": "string"},
		Binary: map[string][]byte{"d": []byte("bytes")}, Tags: map[string]string{"tag1": "tag"},
	}
}

func sampleRow() row {
	return row{
		"a": json.Number("1"), "b": json.Number("1.1"), "c": "string", "d": []byte("bytes"), "Tags": row{"tag1": "tag"}, "Timestamp": int64(1234567890),
	}
}

func anEvent() quix.Event {
	return quix.Event{Timestamp: 1692703362840389000, ID: "an_event", Value: "any_string", Tags: map[string]string{"tag1": "tag"}}
}

func context(model, id string, more ...weir.Header) *codec.Context {
	return &codec.Context{Topic: "t", Part: codec.Value, Headers: append([]weir.Header{
		{Key: "other", Value: []byte{0xff}}, {Key: "null"}, {Key: "__Q_ModelKey", Value: []byte(model)}, {Key: "__Q_CodecId", Value: []byte(id)},
	}, more...)}
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// forms checks that a codec writes v in both forms, and reads both.
func forms[T any](t *testing.T, newCodec func(quix.Options) *quix.Codec[T], v, back T, legacy, plain, model string) {
	t.Helper()
	cd := newCodec(quix.Options{})
	c := &codec.Context{Topic: "t", Part: codec.Value}
	out, err := cd.Append([]byte("before"), c, v)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "legacy form", "before"+legacy, string(out))
	same(t, "headers of the legacy form", 0, len(c.Headers))
	got, err := cd.Decode(c, out[len("before"):])
	if err != nil {
		t.Fatal(err)
	}
	same(t, "value of the legacy form", back, got)

	given := context("old", "old").Headers
	c = &codec.Context{Topic: "t", Part: codec.Value, Headers: given}
	if out, err = newCodec(quix.Options{Headers: true}).Append(nil, c, v); err != nil {
		t.Fatal(err)
	}
	same(t, "form with headers", plain, string(out))
	same(t, "headers", context(model, "JT").Headers, c.Headers)
	same(t, "headers that were given", context("old", "old").Headers, given)
	if got, err = cd.Decode(c, out); err != nil {
		t.Fatal(err)
	}
	same(t, "value of the form with headers", back, got)
}

func TestTimeseriesHaveBothForms(t *testing.T) {
	// A float64 is written as one.
	floats := strings.Replace(timeseriesJSON, `"a":[1]`, `"a":[1.0]`, 1)
	forms(t, quix.Timeseries, sample(), sample(), `{"C":"JT","K":"ParameterData","V":`+floats+`,"S":34,"E":194}`, floats, "TimeseriesData")
	in := row{"a": 1, "b": 1.1, "c": "string", "d": []byte("bytes"), "Tags": row{"tag1": "tag"}, "Timestamp": 1234567890, "left out": nil}
	forms(t, quix.Rows, in, sampleRow(), legacySeries, timeseriesJSON, "TimeseriesData")
}

func TestEventsHaveBothForms(t *testing.T) {
	forms(t, quix.Events, anEvent(), anEvent(), legacyEvent, eventJSON, "EventData")
	back := row{"Id": "an_event", "Value": "any_string", "Tags": row{"tag1": "tag"}, "Timestamp": int64(1692703362840389000)}
	in := row{"Id": "an_event", "Value": "any_string", "Tags": map[string]string{"tag1": "tag"}, "Timestamp": json.Number("1692703362840389000"), "x": 1}
	forms(t, quix.EventRows, in, back, legacyEvent, eventJSON, "EventData")
}

func TestTheEnvelopeCountsBytesAndNotCharacters(t *testing.T) {
	out, err := quix.Events(quix.Options{}).Append(nil, nil, quix.Event{ID: "é", Value: "日本<&>", Tags: nil, Timestamp: 1})
	if err != nil {
		t.Fatal(err)
	}
	text := string(out)
	from, to := strings.Index(text, `{"Id"`), strings.Index(text, `,"S":`)
	if want := `,"S":` + strconv.Itoa(from) + `,"E":` + strconv.Itoa(to) + "}"; text[to:] != want {
		t.Errorf("got %s, want it to end in %s", text, want)
	}
	same(t, "data", `{"Id":"é","Value":"日本<&>","Tags":{},"Timestamp":1}`, text[from:to])
}

func TestAMessageHoldsManySamples(t *testing.T) {
	const data = `{"Timestamps":[1,2,3],"NumericValues":{"n":[1,null,2.50],"x":[9007199254740993,1,1]},"StringValues":{"s":["a",null,"b"],"x":["y",null,"z"]},
		"BinaryValues":{"b":["AQ==",null,"Ag=="]},"TagValues":{"t":["u",null,"v"]}}`
	c := context("ParameterData", "J")
	samples, err := quix.Timeseries(quix.Options{}).Split(nil, c, []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "samples", []quix.Sample{
		{Timestamp: 1, Numeric: map[string]float64{"n": 1, "x": 9007199254740992}, Strings: map[string]string{"s": "a", "x": "y"}, Binary: map[string][]byte{"b": {1}}, Tags: map[string]string{"t": "u"}},
		{Timestamp: 2, Numeric: map[string]float64{"x": 1}, NullTags: []string{"t"}},
		{Timestamp: 3, Numeric: map[string]float64{"n": 2.5, "x": 1}, Strings: map[string]string{"s": "b", "x": "z"}, Binary: map[string][]byte{"b": {2}}, Tags: map[string]string{"t": "v"}},
	}, samples)
	rows, err := quix.Rows(quix.Options{}).Split([]row{{"kept": 1}}, c, []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "rows", []row{
		{"kept": 1},
		{"n": json.Number("1"), "x": "y", "s": "a", "b": []byte{1}, "Tags": row{"t": "u"}, "Timestamp": int64(1)},
		{"n": nil, "x": nil, "s": nil, "b": nil, "Tags": row{"t": nil}, "Timestamp": int64(2)},
		{"n": json.Number("2.50"), "x": "z", "s": "b", "b": []byte{2}, "Tags": row{"t": "v"}, "Timestamp": int64(3)},
	}, rows)
	if _, err := quix.Rows(quix.Options{}).Decode(c, []byte(data)); err == nil || !strings.Contains(err.Error(), "the message holds 3 values") {
		t.Errorf("got %v", err)
	}
	none, err := quix.Rows(quix.Options{}).Split(nil, c, []byte(`{"Timestamps":[]}`))
	if len(none) != 0 || err != nil {
		t.Errorf("no timestamps: got %v, %v", none, err)
	}
}

func TestAMessageHoldsManyEvents(t *testing.T) {
	const data = `[{"Timestamp":1,"Id":"a","Value":"v"},{"Timestamp":2,"Id":"b","Value":"","Tags":{"t":"u"}}]`
	events, err := quix.Events(quix.Options{}).Split(nil, context("EventData[]", "JT"), []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "events", []quix.Event{{Timestamp: 1, ID: "a", Value: "v"}, {Timestamp: 2, ID: "b", Tags: map[string]string{"t": "u"}}}, events)
	rows, err := quix.Rows(quix.Options{}).Split(nil, context("EventData[]", "JT"), []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "rows", []row{
		{"Timestamp": int64(1), "Id": "a", "Value": "v", "Tags": row{}},
		{"Timestamp": int64(2), "Id": "b", "Value": "", "Tags": row{"t": "u"}},
	}, rows)
}

func compressed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCompressedDataIsReadUpToALimit(t *testing.T) {
	got, err := quix.Timeseries(quix.Options{}).Decode(context("TimeseriesData", "[GZIP]JT"), []byte(compressed(t, timeseriesJSON)))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "value", sample(), got)
	_, err = quix.Timeseries(quix.Options{MaxBytes: 100}).Decode(context("TimeseriesData", "[GZIP]JT"), []byte(compressed(t, timeseriesJSON)))
	if err == nil || !strings.HasSuffix(err.Error(), "decompress: more than 100 bytes") {
		t.Errorf("got %v", err)
	}
}

func TestMessagesThatAreNotDataAreIgnored(t *testing.T) {
	for _, model := range []string{"StreamProperties", "StreamEnd", "ParameterDefinitions", "EventDefinitions"} {
		_, err := quix.Rows(quix.Options{}).Split(nil, context(model, "JT"), []byte("{}"))
		if !errors.Is(err, codec.ErrIgnore) {
			t.Errorf("%s: got %v", model, err)
		}
		_, err = quix.Timeseries(quix.Options{}).Decode(nil, []byte(`{"C":"JT","K":"`+model+`","V":{},"S":1,"E":2}`))
		if !errors.Is(err, codec.ErrIgnore) {
			t.Errorf("%s in an envelope: got %v", model, err)
		}
	}
}

func TestBrokenMessagesAreRefused(t *testing.T) {
	for _, tc := range []struct {
		c          *codec.Context
		data, want string
	}{
		{nil, `{}`, "the codec is missing: want an envelope or the header __Q_CodecId"},
		{context("", "JT"), `{}`, "the model is missing: want an envelope or the header __Q_ModelKey"},
		{context("TimeseriesData", ""), `{}`, "the codec is missing: want an envelope or the header __Q_CodecId"},
		{context("None", "JT"), `{}`, `model "None": want TimeseriesData, ParameterData, EventData or EventData[]`},
		{context("TimeseriesData", "PB"), `{}`, `codec "PB": want J or JT`},
		{context("TimeseriesData", "JT", weir.Header{Key: "__Q_SplitMessageId", Value: []byte("1")}), timeseriesJSON, "a part of a message that was split over several: these cannot be read"},
		{nil, `<abc/1/2>{`, "a part of a message that was split over several: these cannot be read"},
		{nil, `{"C":"JT","K":"EventData"}`, "the envelope has no data (V)"},
		{nil, `{"C":"[GZIP]JT","K":"EventData","V":{}}`, "compressed data in an envelope"},
		{context("TimeseriesData", "[GZIP]JT"), `{}`, "decompress: unexpected EOF"},
		{context("TimeseriesData", "JT"), `{}`, "the field Timestamps is missing"},
		{context("TimeseriesData", "JT"), `{"Timestamps":[1,2],"NumericValues":{"a":[1]}}`, `numeric parameter "a" has 1 values for 2 timestamps`},
		{context("TimeseriesData", "JT"), `{"Timestamps":[1],"TagValues":{"a":[]}}`, `tag "a" has 0 values for 1 timestamps`},
		{context("TimeseriesData", "JT"), `{"Timestamps":[1],"NumericValues":{"Timestamp":[1]}}`, `numeric parameter "Timestamp": the name is taken`},
		{context("TimeseriesData", "JT"), `{"Timestamps":[1],"BinaryValues":{"a":["*"]}}`, `binary parameter "a": illegal base64 data at input byte 0`},
		{context("EventData", "JT"), `{"Id":"a","Value":"b"}`, "the event has no Timestamp"},
		{context("EventData", "JT"), `{"Timestamp":1,"Value":"b"}`, "the event has no Id"},
		{context("EventData[]", "JT"), `[{"Timestamp":1,"Id":"a"}]`, "the event has no Value"},
	} {
		_, err := quix.Rows(quix.Options{}).Split(nil, tc.c, []byte(tc.data))
		if err == nil || !strings.HasPrefix(err.Error(), "decode ") || !strings.HasSuffix(err.Error(), ": "+tc.want) {
			t.Errorf("%s: got\n\t%v\nwant\n\t%s", tc.data, err, tc.want)
		}
	}
	if _, err := quix.Events(quix.Options{}).Split(nil, nil, []byte(legacySeries)); err == nil || !strings.HasSuffix(err.Error(), `model "ParameterData": want EventData or EventData[]`) {
		t.Errorf("got %v", err)
	}
	if _, err := quix.Timeseries(quix.Options{}).Split(nil, nil, []byte(legacyEvent)); err == nil || !strings.HasSuffix(err.Error(), `model "EventData": want TimeseriesData or ParameterData`) {
		t.Errorf("got %v", err)
	}
}

func TestRowsThatDoNotFitAreRefused(t *testing.T) {
	rows, events := quix.Rows(quix.Options{}), quix.EventRows(quix.Options{})
	for _, tc := range []struct {
		cd   *quix.Codec[row]
		v    row
		want string
	}{
		{rows, row{"a": 1}, "the field Timestamp is missing"},
		{rows, row{"a": true, "Timestamp": 1}, `parameter "a": want a number, text or bytes, got bool`},
		{rows, row{"Timestamp": "1"}, "field Timestamp: want nanoseconds, got string"},
		{rows, row{"Timestamp": 1.5}, "field Timestamp: 1.5 is no whole number"},
		{rows, row{"Tags": "x"}, "field Tags: want a map, got string"},
		{rows, row{"Tags": 5}, "field Tags: want a map, got int"},
		{rows, row{"Tags": row{"a": 5}}, `tag "a": want text or nil, got int`},
		{events, row{"Id": "a"}, "field Timestamp: want nanoseconds, got <nil>"},
		{events, row{"Timestamp": 1, "Id": 5}, "field Id: want text, got int"},
	} {
		out, err := tc.cd.Append([]byte("."), nil, tc.v)
		if string(out) != "." || err == nil || !strings.HasSuffix(err.Error(), ": "+tc.want) {
			t.Errorf("%v: got %q,\n\t%v\nwant\n\t%s", tc.v, out, err, tc.want)
		}
	}
	_, err := quix.Timeseries(quix.Options{}).Append(nil, nil, quix.Sample{Numeric: map[string]float64{"Timestamp": 1}})
	if err == nil || !strings.HasSuffix(err.Error(), `a parameter is named "Timestamp": the name is taken`) {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsEmptyAndWhatJSONDoesNotHave(t *testing.T) {
	const empty = `{"BinaryValues":{},"StringValues":{},"NumericValues":{},"Timestamps":[],"TagValues":{}}`
	c := context("", "")
	out, err := quix.Rows(quix.Options{Headers: true}).Append(nil, c, row{"a": nil})
	same(t, "row", empty, string(out))
	same(t, "error", nil, err)
	out, err = quix.Timeseries(quix.Options{Headers: true}).Append(nil, c, quix.Sample{})
	same(t, "sample", empty, string(out))
	same(t, "error", nil, err)
	// A timestamp without parameters would be read as a row. Tags may be null.
	const tags = `{"BinaryValues":{},"StringValues":{},"NumericValues":{},"Timestamps":[],"TagValues":{"t":["u"],"v":[null]}}`
	out, err = quix.Timeseries(quix.Options{Headers: true}).Append(nil, c, quix.Sample{Timestamp: 5, Tags: map[string]string{"t": "u"}, NullTags: []string{"v"}})
	same(t, "sample of tags", tags, string(out))
	same(t, "error", nil, err)
	_, err = quix.Timeseries(quix.Options{}).Append(nil, c, quix.Sample{Tags: map[string]string{"t": "u"}, NullTags: []string{"t"}})
	same(t, "a tag that is null and is not", true, err != nil)
	out, err = quix.Rows(quix.Options{Headers: true}).Append(nil, c, row{"Timestamp": 5, "Tags": row{"t": "u", "v": nil}})
	same(t, "row of tags", tags, string(out))
	same(t, "error", nil, err)
	none, err := quix.Rows(quix.Options{}).Split(nil, context("TimeseriesData", "JT"), out)
	same(t, "read again", 0, len(none))
	same(t, "error", nil, err)
	out, _ = quix.Timeseries(quix.Options{Headers: true}).Append(nil, c, quix.Sample{Numeric: map[string]float64{"a": math.NaN(), "b": math.Inf(1)}})
	same(t, "NaN", `{"BinaryValues":{},"StringValues":{},"NumericValues":{"a":[null],"b":[null]},"Timestamps":[0],"TagValues":{}}`, string(out))
	out, _ = quix.Rows(quix.Options{Headers: true}).Append(nil, c, row{"a": math.NaN(), "Timestamp": 0})
	same(t, "NaN in a row", `{"BinaryValues":{},"StringValues":{},"NumericValues":{"a":[null]},"Timestamps":[0],"TagValues":{}}`, string(out))
	same(t, "headers of a key", 0, len(quix.Rows(quix.Options{}).FormatHeaders(codec.Key)))
}

func FuzzRows(f *testing.F) {
	cd, again := quix.Rows(quix.Options{MaxBytes: 1 << 20}), quix.Rows(quix.Options{})
	f.Add("", "", []byte(legacySeries))
	f.Add("", "", []byte(legacyEvent))
	f.Add("TimeseriesData", "JT", []byte(timeseriesJSON))
	f.Add("EventData[]", "J", []byte("["+eventJSON+"]"))
	f.Add("TimeseriesData", "[GZIP]JT", []byte("\x1f\x8b\x08\x00"))
	f.Add("TimeseriesData", "JT", []byte(`{"Timestamps":[1,2],"NumericValues":{"a":[1e400,null]}}`))
	f.Fuzz(func(t *testing.T, model, id string, data []byte) {
		rows, err := cd.Split(nil, context(model, id), data)
		if err != nil {
			_ = err.Error()
			return
		}
		for _, r := range rows {
			if _, isEvent := r["Id"]; isEvent {
				continue
			}
			out, err := again.Append(nil, nil, r)
			if err != nil {
				t.Fatalf("decoded %q but cannot encode %v: %v", data, r, err)
			}
			if _, err := again.Split(nil, nil, out); err != nil {
				t.Fatalf("decoded %q, encoded %q, which does not decode: %v", data, out, err)
			}
		}
		_, _ = quix.Timeseries(quix.Options{MaxBytes: 1 << 20}).Split(nil, context(model, id), data)
		_, _ = quix.Events(quix.Options{MaxBytes: 1 << 20}).Split(nil, context(model, id), data)
	})
}
