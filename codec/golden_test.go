package codec_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
)

// TestScalarsAreWrittenAsTheOriginalWritesThem runs recordings of the original.
func TestScalarsAreWrittenAsTheOriginalWritesThem(t *testing.T) {
	file, err := os.Open("testdata/codecs.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	differences := map[string]int{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var c struct {
			ID           int
			Op, Codec    string
			Value, Bytes *string
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		var data []byte
		if c.Bytes != nil {
			if data, err = hex.DecodeString(*c.Bytes); err != nil {
				t.Fatal(err)
			}
		}
		switch c.Codec {
		case "str":
			goldenScalar(t, c.ID, c.Op, codec.UTF8(), c.Value, data, func(text string) (v string, err error) {
				return v, json.Unmarshal([]byte(text), &v)
			})
		case "bytes":
			goldenScalar(t, c.ID, c.Op, codec.Bytes(), c.Value, data, func(text string) ([]byte, error) {
				var v struct {
					Hex string `json:"$b"`
				}
				if err := json.Unmarshal([]byte(text), &v); err != nil {
					return nil, err
				}
				return hex.DecodeString(v.Hex)
			})
		case "int":
			if c.Op == "ser" && c.Bytes == nil {
				// An int32 cannot hold it: there is nothing to write.
				if _, err := strconv.ParseInt(*c.Value, 10, 32); err == nil {
					t.Errorf("%d: %s fits", c.ID, *c.Value)
				}
				differences["the type refuses what does not fit"]++
				continue
			}
			goldenScalar(t, c.ID, c.Op, codec.Int32(), c.Value, data, func(text string) (int32, error) {
				v, err := strconv.ParseInt(text, 10, 32)
				return int32(v), err
			})
		case "double":
			goldenScalar(t, c.ID, c.Op, codec.Float64(), c.Value, data, func(text string) (float64, error) { return strconv.ParseFloat(text, 64) })
		default:
			t.Errorf("%d: no such codec: %s", c.ID, c.Codec)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"the type refuses what does not fit": 2}, differences); diff != "" {
		t.Errorf("differences that are meant (-want +got):\n%s", diff)
	}
}

func goldenScalar[T any](t *testing.T, id int, op string, c codec.Codec[T], value *string, data []byte, parse func(string) (T, error)) {
	t.Helper()
	if op == "de" && value == nil {
		if v, err := c.Decode(&codec.Context{}, data); err == nil {
			t.Errorf("%d: %x is %v, want an error", id, data, v)
		}
		return
	}
	want, err := parse(*value)
	if err != nil {
		t.Fatal(err)
	}
	if op == "de" {
		got, err := c.Decode(&codec.Context{}, data)
		if !cmp.Equal(want, got) || err != nil {
			t.Errorf("%d: %x: want %v, got %v, %v", id, data, want, got, err)
		}
		return
	}
	got, err := c.Append(nil, &codec.Context{}, want)
	if f, ok := any(want).(float64); ok && f == 0 && math.Signbit(f) != (*value == "-0.0") {
		t.Errorf("%d: the sign of %s is lost", id, *value)
	}
	if err != nil || !bytes.Equal(data, got) {
		t.Errorf("%d: %v: want %x, got %x, %v", id, want, data, got, err)
	}
}
