package codec_test

import (
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"

	"github.com/weirstreams/weir/codec"
)

func TestTextIsWrittenInItsEncoding(t *testing.T) {
	encodesAs(t, codec.Text(charmap.ISO8859_1), "é", "e9")
	encodesAs(t, codec.Text(charmap.Windows1252), "€", "80")
	encodesAs(t, codec.Text(japanese.ShiftJIS), "日本", "93fa967b")
	encodesAs(t, codec.Text(unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)), "é\ufffd", "00e9fffd")
	encodesAs(t, codec.Text(unicode.UTF8), "\ufffd", "efbfbd")
	encodesAs(t, codec.UTF8(), "é", "c3a9")
	encodesAs(t, codec.Text(charmap.ISO8859_1), "", "")
}

func TestTextReplacesNothing(t *testing.T) {
	c := &codec.Context{Topic: "t", Part: codec.Value}
	for _, tc := range []struct {
		codec codec.Codec[string]
		in    string
		want  string
	}{
		{codec.Text(charmap.ISO8859_1), "€", `encode value of topic "t" as string: encoding: rune not supported by encoding.`},
		{codec.Text(charmap.ISO8859_1), "a\xff", `encode value of topic "t" as string: text is not valid UTF-8 at byte 1`},
		{codec.UTF8(), "a\xff", `encode value of topic "t" as string: text is not valid UTF-8 at byte 1`},
	} {
		_, err := tc.codec.Append(nil, c, tc.in)
		wantError(t, err, tc.want)
	}
	_, err := codec.UTF8().Decode(c, []byte("a\xff"))
	wantError(t, err, `decode value of topic "t" as string: text is not valid UTF-8 at byte 1`)
	for _, cd := range []codec.Codec[string]{codec.Text(japanese.ShiftJIS), codec.Text(unicode.UTF8)} {
		_, err := cd.Decode(c, []byte("a\xff"))
		wantError(t, err, `decode value of topic "t" as string: bytes that are no character of the encoding`)
	}
}

func FuzzText(f *testing.F) {
	cd := codec.Text(japanese.ShiftJIS)
	f.Add([]byte("\x93\xfa"))
	f.Add([]byte("\x80\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := cd.Decode(&codec.Context{}, data)
		if err != nil {
			return
		}
		// Some characters have two forms in Shift JIS, so only the text has to come back.
		again, err := cd.Append(nil, &codec.Context{}, v)
		if err != nil {
			t.Fatalf("decoded %x as %q, which does not encode: %v", data, v, err)
		}
		if back, err := cd.Decode(&codec.Context{}, again); err != nil || back != v {
			t.Errorf("decoded %x as %q, encoded it as %x and decoded %q, %v", data, v, again, back, err)
		}
	})
}
func FuzzUTF8(f *testing.F) { fuzzExact(f, codec.UTF8(), "", "é", "\xff") }
