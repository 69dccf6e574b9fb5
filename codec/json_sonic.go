//go:build (amd64 || arm64) && !go1.28 && !weir_stdjson

package codec

import (
	"encoding/json"
	"errors"
	"strings"
	"unsafe"

	"github.com/bytedance/sonic/decoder"
	"github.com/bytedance/sonic/encoder"
)

// The build constraint above is sonic's own, and a tag to leave it out. Where sonic does not run, its packages pass every
// call to encoding/json without a word, and drop options and the check for trailing data; json_std.go does it right.
const jsonEngine = "sonic"

// Not set, on purpose: EscapeHTML; ValidateString, which would replace invalid UTF-8 where Append refuses it;
// NoValidateJSONMarshaler, since a Marshaler may return anything.
const jsonEncoderOptions = encoder.SortMapKeys | encoder.CompactMarshaler

// ValidateString refuses raw control characters (it would replace invalid UTF-8, but that does not get this far),
// UseUnicodeErrors refuses half surrogate pairs.
const jsonDecoderOptions = decoder.OptionUseNumber | decoder.OptionValidateString | decoder.OptionUseUnicodeErrors

// appendJSON appends the encoding of the value at the pointer v.
func appendJSON(buffer *[]byte, v any) error {
	return encoder.EncodeInto(buffer, v, jsonEncoderOptions)
}

// jsonParser is reused, since sonic takes a pointer to it.
type jsonParser struct{ decoder decoder.Decoder }

// parse decodes text into the value at the pointer v. If text is lent, it is valid only during the call, and strings are copied
// out of it. The error holds no part of text.
func (p *jsonParser) parse(text string, lent bool, v any) error {
	var options decoder.Options = jsonDecoderOptions
	if lent {
		options |= decoder.OptionCopyString
	}
	p.decoder.SetOptions(options)
	p.decoder.Reset(text)
	err := p.decoder.Decode(v)
	if err == nil {
		err = p.decoder.CheckTrailings()
	}
	p.decoder.Reset("")
	if err != nil {
		return jsonError(text, err)
	}
	return nil
}

// jsonError rewrites sonic's errors, which quote the input over several lines and refer to its memory. It looks at err
// itself only: errors further down its chain belong to a user's UnmarshalJSON.
func jsonError(text string, err error) error {
	data := unsafe.Slice(unsafe.StringData(text), len(text))
	switch e := err.(type) { //nolint:errorlint // see above
	case decoder.SyntaxError:
		return jsonErrorAt(data, e.Pos, errors.New("syntax error: "+e.Message()))
	case *decoder.MismatchTypeError:
		return jsonErrorAt(data, e.Pos, unfit(e.Type))
	case *json.UnmarshalTypeError:
		own := *e
		own.Value = strings.Clone(e.Value)
		return &own
	}
	return err
}
