//go:build !(amd64 || arm64) || go1.28 || weir_stdjson

package codec

import (
	"bytes"
	"encoding/json"
	"encoding/json/jsontext"
	jsonv2 "encoding/json/v2"
	"errors"
	"io"
	"reflect"
	"strings"
	"unsafe"
)

const jsonEngine = "encoding/json"

// Version 1 semantics, as sonic has them, with the strictness of version 2 about text.
var jsonEncoderOptions = jsonv2.JoinOptions(
	json.DefaultOptionsV1(),
	jsonv2.Deterministic(true),
	jsontext.AllowInvalidUTF8(false),
	jsontext.EscapeForHTML(false),
	jsontext.EscapeForJS(false),
)

// appendJSON appends the encoding of the value at the pointer v.
func appendJSON(buffer *[]byte, v any) error {
	out := bytes.NewBuffer(*buffer)
	err := jsonv2.MarshalWrite(out, v, jsonEncoderOptions)
	*buffer = out.Bytes()
	return err
}

// jsonAliases is about sonic: encoding/json reads into a buffer of its own, so that nothing can refer to the input.
func jsonAliases(reflect.Type, map[reflect.Type]bool) bool { return false }

type jsonParser struct{}

var errTrailingJSON = errors.New("syntax error: data after the value")

// parse decodes text into the value at the pointer v. The error holds no part of text. It makes no difference whether text is lent.
func (*jsonParser) parse(text string, _ bool, v any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	err := d.Decode(v)
	data := unsafe.Slice(unsafe.StringData(text), len(text))
	if err == nil {
		end := int(d.InputOffset())
		if _, err = d.Token(); err == io.EOF {
			return nil
		}
		return jsonErrorAt(data, end, errTrailingJSON)
	}
	switch e := err.(type) {
	case *json.SyntaxError:
		return jsonErrorAt(data, int(e.Offset), errors.New("syntax error: "+e.Error()))
	case *json.UnmarshalTypeError:
		return jsonErrorAt(data, int(e.Offset), unfit(e.Type))
	}
	return err
}
