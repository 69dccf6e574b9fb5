package quix_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/quix"
)

type goldenCase struct {
	ID           int
	Op, Codec    string
	Value, Bytes *string
	Headers      map[string]string
	Err          string
}

// TestMessagesAreThoseOfTheOriginal runs recordings of the original. Every difference that is meant has a name, and is counted.
func TestMessagesAreThoseOfTheOriginal(t *testing.T) {
	file, err := os.Open("testdata/codecs.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	differences := map[string]int{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c goldenCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		var name string
		if c.Op == "ser" {
			name = writeGolden(t, c)
		} else {
			name = readGolden(t, c)
		}
		if name != "" {
			differences[name]++
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"columns are sorted": 13}, differences); diff != "" {
		t.Errorf("differences that are meant (-want +got):\n%s", diff)
	}
}

// pythonValue reads the JSON of a value: numbers keep what they are, {"$b": hex} is bytes.
func pythonValue(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return withBytes(t, v)
}

func withBytes(t *testing.T, v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			t.Fatal(err)
		}
		return f
	case []any:
		for i := range v {
			v[i] = withBytes(t, v[i])
		}
	case map[string]any:
		if text, ok := v["$b"].(string); ok {
			data, err := hex.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
		for name := range v {
			v[name] = withBytes(t, v[name])
		}
	}
	return v
}

func writeGolden(t *testing.T, c goldenCase) string {
	t.Helper()
	kind, headers := strings.CutSuffix(c.Codec, "-headers")
	format := quix.Rows(quix.Options{Headers: headers})
	if kind == "events" {
		format = quix.EventRows(quix.Options{Headers: headers})
	}
	row := pythonValue(t, *c.Value).(map[string]any)
	context := codec.Context{Topic: "t", Part: codec.Value}
	got, err := format.Append(nil, &context, row)
	if c.Bytes == nil || err != nil {
		if (c.Bytes == nil) != (err != nil) {
			t.Errorf("%d: %s: got %s, %v, want %s", c.ID, *c.Value, got, err, c.Err)
		}
		return ""
	}
	gotHeaders := map[string]string{}
	for _, h := range context.Headers {
		gotHeaders[h.Key] = string(h.Value)
	}
	if diff := cmp.Diff(c.Headers, gotHeaders); diff != "" {
		t.Errorf("%d: headers (-want +got):\n%s", c.ID, diff)
	}
	want, err := hex.DecodeString(*c.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case bytes.Equal(want, got):
		return ""
	case len(want) == len(got) && cmp.Equal(digits(t, want), digits(t, got)):
		return "columns are sorted"
	}
	t.Errorf("%d: %s: got\n%s, want\n%s", c.ID, *c.Value, got, want)
	return ""
}

// digits reads JSON and keeps the digits of numbers.
func digits(t *testing.T, data []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func readGolden(t *testing.T, c goldenCase) string {
	t.Helper()
	data, err := hex.DecodeString(*c.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	context := codec.Context{Topic: "t", Part: codec.Value}
	for name, v := range c.Headers {
		context.Headers = append(context.Headers, weir.Header{Key: name, Value: []byte(v)})
	}
	slices.SortFunc(context.Headers, func(a, b weir.Header) int { return strings.Compare(a.Key, b.Key) })
	got, err := quix.Rows(quix.Options{}).Split(nil, &context, data)
	if strings.HasPrefix(c.Err, "IgnoreMessage") != errors.Is(err, codec.ErrIgnore) {
		t.Errorf("%d: ignored: %v, want %s", c.ID, err, c.Err)
	}
	if c.Value == nil || err != nil {
		if (c.Value == nil) != (err != nil) {
			t.Errorf("%d: %s %v: got %v, %v, want %s", c.ID, data, c.Headers, got, err, c.Err)
		}
		return ""
	}
	var rows []any
	for _, row := range got {
		rows = append(rows, plainNumbers(t, row))
	}
	want, _ := pythonValue(t, *c.Value).([]any)
	if len(want)+len(rows) > 0 && !cmp.Equal(want, rows) {
		t.Errorf("%d: %s: (-want +got)\n%s", c.ID, data, cmp.Diff(want, rows))
	}
	return ""
}

// plainNumbers turns each json.Number into an int64 or a float64.
func plainNumbers(t *testing.T, v any) any {
	if m, ok := v.(map[string]any); ok {
		out := map[string]any{}
		for name := range m {
			out[name] = plainNumbers(t, m[name])
		}
		return out
	}
	if n, ok := v.(json.Number); ok {
		return withBytes(t, n)
	}
	return v
}
