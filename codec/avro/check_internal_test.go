package avro

import (
	"encoding/hex"
	"testing"
)

// FuzzCheck compares the check that only says whether something is wrong with the one that says what.
func FuzzCheck(f *testing.F) {
	var checks []*check
	for _, text := range []string{
		`{"type":"record","name":"A","fields":[{"name":"a","type":"boolean"},{"name":"b","type":["null","string","double"]},
			{"name":"c","type":{"type":"map","values":"float"}},{"name":"d","type":{"type":"fixed","name":"F","size":3}},{"name":"e","type":"int"}]}`,
		`{"type":"array","items":{"type":"fixed","name":"F","size":3}}`,
		`{"type":"array","items":"null"}`,
		`{"type":"map","values":{"type":"array","items":"bytes"}}`,
		`{"type":"record","name":"Deep","fields":[{"name":"items","type":{"type":"array","items":"Deep"}},{"name":"next","type":["null","Deep"]}]}`,
	} {
		s, err := parse(text, nil)
		if err != nil {
			f.Fatal(err)
		}
		checks = append(checks, s.check)
	}
	for _, seed := range []string{"", "01020261020261000000000000010203f601", "0401020304050600", "0400", "0202610402620200", "0200", "ffffffffffffffffff01", "80808080808080808001"} {
		data, err := hex.DecodeString(seed)
		if err != nil {
			f.Fatal(err)
		}
		for i := range checks {
			f.Add(uint8(i), data)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		c := checks[int(which)%len(checks)]
		rest, err := c.skip(data, 0)
		end := c.end(data, 0, 0)
		if err != nil && end >= 0 || err == nil && end != len(data)-len(rest) {
			t.Fatalf("%x: end %d, %d bytes are left, %v", data, end, len(rest), err)
		}
		if sound := c.sound(data, false); sound != (err == nil) {
			t.Errorf("%x: sound %v, %v", data, sound, err)
		}
		if err == nil && !c.sound(data, true) {
			t.Errorf("%x: the first part of it is not sound", data)
		}
	})
}
