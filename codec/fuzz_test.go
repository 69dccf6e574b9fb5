package codec_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/weirstreams/weir/codec"
)

func FuzzBytes(f *testing.F)  { fuzzExact(f, codec.Bytes(), "", "abc", "\x00\xff") }
func FuzzString(f *testing.F) { fuzzExact(f, codec.String(), "", "é", "\xff") }
func FuzzInt(f *testing.F) {
	fuzzExact(f, codec.Int(), "", "1234567", "\xff\xff\xff\xff\xff\xff\xff\xff")
}
func FuzzInt32(f *testing.F) { fuzzExact(f, codec.Int32(), "", "\x00\x00\x00\x7b", "12345") }
func FuzzInt64(f *testing.F) { fuzzExact(f, codec.Int64(), "", "\x00\x00\x00\x00\x00\x00\x00\x7b") }

func FuzzFloat32(f *testing.F) { fuzzExact(f, codec.Float32(), "\x42\xf6\x00\x00", "\x7f\xa0\x00\x01") }
func FuzzFloat64(f *testing.F) { fuzzExact(f, codec.Float64(), "\x40\x5e\xc0\x00\x00\x00\x00\x00") }
func FuzzBool(f *testing.F)    { fuzzExact(f, codec.Bool(), "", "\x00", "\x01", "\x02") }
func FuzzFor(f *testing.F)     { fuzzExact(f, codec.For[*airport](), "", "LHR") }

// fuzzExact checks that whatever a codec accepts, it writes again byte for byte.
func fuzzExact[T any](f *testing.F, cd codec.Codec[T], seeds ...string) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	c := &codec.Context{}
	f.Fuzz(func(t *testing.T, data []byte) {
		input := bytes.Clone(data)
		v, err := cd.Decode(c, input)
		if err != nil {
			return
		}
		for i := range input {
			input[i] = ^input[i]
		}
		got, err := cd.Append(nil, c, v)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("decoded %x and encoded it as %x, %v", data, got, err)
		}
	})
}

var jsonSeeds = []string{
	`{}`, `[]`, `null`, `"a"`, `{"text":"a\n\u00e9","list":["x",""],"map":{"b":"1","a":"2"}}`, `{"any":{"b":[1,2.50,-0,1e400]}}`,
	`{"raw": [ 1, {"a" : null} ],"number":12,"pointer":"p","bytes":"aGk="}`, `{"text":"\ud83d\ude00\ud800"}`, `{"TEXT":1}`,
	"{\"text\":\"\x01\xff\"}", `{"a":tru}`, `{"text":"a"}x`, `1e999`, `[[[[[[1]]]]]]`,
	`{"numbers":{"1.0":[2,"3"]},"quoted":"\"q\"","names":{"A":"B"},"address":"fe80::1%eth0","nested":{"symbols":["LHR"]}}`,
}

func FuzzJSONAny(f *testing.F)    { fuzzJSON[any](f, true) }
func FuzzJSONStruct(f *testing.F) { fuzzJSON[*everything](f, false) }

// fuzzJSON checks that what JSON accepts can be written again, and that what is written is its own encoding. If T takes
// up the whole input, whatever is accepted must be JSON: sonic does not look into the escapes of what it skips.
func fuzzJSON[T any](f *testing.F, whole bool) {
	for _, seed := range jsonSeeds {
		f.Add([]byte(seed))
	}
	c, cd := &codec.Context{}, codec.JSON[T]()
	f.Fuzz(func(t *testing.T, data []byte) {
		input := bytes.Clone(data)
		v, err := cd.Decode(c, input)
		if err != nil {
			_ = err.Error()
			return
		}
		if !json.Valid(data) {
			if whole {
				t.Errorf("%q was accepted, but encoding/json says that it is not valid", data)
			}
			return
		}
		for i := range input {
			input[i] = ^input[i]
		}
		first, err := cd.Append(nil, c, v)
		if err != nil {
			t.Fatalf("decoded %q, but its value cannot be encoded: %v", data, err)
		}
		again, err := cd.Decode(c, first)
		if err != nil {
			t.Fatalf("decoded %q, but not its encoding %q: %v", data, first, err)
		}
		if second, err := cd.Append(nil, c, again); err != nil || !bytes.Equal(first, second) {
			t.Errorf("decoded %q, encoded %q and then %q, %v", data, first, second, err)
		}
	})
}
