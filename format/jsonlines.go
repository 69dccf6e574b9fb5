package format

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/jsontext"
	"github.com/weirstreams/weir/row"
)

// JSONLines is a line of JSON for each record:
//
//	{"_timestamp":1722945524540,"_key":"k1","_value":{"a":1}}
//
// The time is in milliseconds since the Unix epoch. Keys are text: numbers and booleans in their shortest form, text and bytes as they are, which
// must be UTF-8, anything else as compact JSON. Null keys and values are null. Values are written by codec.JSON, rows by row.JSON, which keeps
// 1 and 1.0 apart. Empty lines are passed over when files are read.
type JSONLines[K, V any] struct {
	// Plain writes the values alone, one a line, without keys and times. Files of other programs are mostly of this kind; a source
	// takes key and time from their values by a function of its own.
	Plain bool
	// Headers adds "_headers", a list of objects with "key" and "value", the latter in base64. Headers that a file has are always read.
	Headers bool
	// Row, if set, makes the line from the record: a row and nothing else. Files are read as with Plain.
	Row func(r *weir.Record[K, V]) (row.Row, error)
	// Codec writes and reads values. nil means codec.JSON or row.JSON. Its output must be JSON in one line.
	Codec codec.Codec[V]
	// MaxRecordBytes is the length of the longest line that is read. 0 means 64 MiB.
	MaxRecordBytes int
}

// Extension implements [Format]: ".jsonl".
func (JSONLines[K, V]) Extension() string { return ".jsonl" }

// Check implements [Format].
func (f JSONLines[K, V]) Check() error {
	if f.Row != nil && f.Headers || f.Plain && f.Headers {
		return errors.New("format.JSONLines: Headers has no place in lines that are made by Row or Plain")
	}
	if err := connector.Negative(f); err != nil {
		return fmt.Errorf("format.JSONLines: %w", err)
	}
	return nil
}

func (f JSONLines[K, V]) codec() codec.Codec[V] {
	if f.Codec != nil {
		return f.Codec
	}
	return connector.ValueCodec[V]()
}

// NewEncoder implements [Format].
func (f JSONLines[K, V]) NewEncoder(w io.Writer) Encoder[K, V] {
	return &jsonEncoder[K, V]{format: f, w: w, key: connector.KeyText[K](), value: f.codec(), rows: row.JSON()}
}

type jsonEncoder[K, V any] struct {
	format JSONLines[K, V]
	w      io.Writer
	key    func(K) (text string, null bool, err error)
	value  codec.Codec[V]
	rows   codec.Codec[row.Row]
	line   []byte
}

func (e *jsonEncoder[K, V]) Encode(r *weir.Record[K, V]) (err error) {
	line := e.line[:0]
	switch {
	case e.format.Row != nil:
		columns, err := e.format.Row(r)
		if err == nil && columns.IsNil() {
			err = errors.New("format.JSONLines: Row returned a nil row")
		}
		if err != nil {
			return err
		}
		line, err = e.rows.Append(line, nil, columns)
		if err != nil {
			return err
		}
	case e.format.Plain:
		line, err = e.appendValue(line, r)
	default:
		line, err = e.appendRecord(line, r)
	}
	e.line = line
	if err != nil {
		return err
	}
	if bytes.IndexByte(line, '\n') >= 0 {
		return errors.New("the JSON of the value has several lines")
	}
	line = append(line, '\n')
	e.line = line
	_, err = e.w.Write(line)
	return err
}

func (e *jsonEncoder[K, V]) appendRecord(line []byte, r *weir.Record[K, V]) ([]byte, error) {
	line = strconv.AppendInt(append(line, `{"_timestamp":`...), r.Millis, 10)
	line = append(line, `,"_key":`...)
	key, null, err := e.key(r.Key)
	switch {
	case r.KeyNull || null && err == nil:
		line = append(line, "null"...)
	case err == nil:
		line, err = jsontext.AppendString(line, key)
	}
	if err != nil {
		return line, fmt.Errorf("key: %w", err)
	}
	line, err = e.appendValue(append(line, `,"_value":`...), r)
	if err != nil {
		return line, err
	}
	if e.format.Headers && len(r.Headers) > 0 {
		if line, err = appendHeaders(append(line, `,"_headers":`...), r.Headers); err != nil {
			return line, err
		}
	}
	return append(line, '}'), nil
}

func (e *jsonEncoder[K, V]) appendValue(line []byte, r *weir.Record[K, V]) ([]byte, error) {
	if r.ValueNull {
		return append(line, "null"...), nil
	}
	if n, ok := e.value.(codec.Nuller[V]); ok && n.IsNull(r.Value) {
		return append(line, "null"...), nil
	}
	out, err := e.value.Append(line, nil, r.Value)
	if err != nil {
		return line, fmt.Errorf("value: %w", err)
	}
	return out, nil
}

func appendHeaders(line []byte, headers []weir.Header) (_ []byte, err error) {
	line = append(line, '[')
	for i, h := range headers {
		if i > 0 {
			line = append(line, ',')
		}
		if line, err = jsontext.AppendString(append(line, `{"key":`...), h.Key); err != nil {
			return line, fmt.Errorf("header %d: %w", i, err)
		}
		line = append(line, `,"value":`...)
		if h.Value == nil {
			line = append(line, "null}"...)
			continue
		}
		line = base64.StdEncoding.AppendEncode(append(line, '"'), h.Value)
		line = append(line, `"}`...)
	}
	return append(line, ']'), nil
}

func (e *jsonEncoder[K, V]) Buffered() int64 { return 0 }
func (e *jsonEncoder[K, V]) Close() error    { return nil }

// NewDecoder implements [Format].
func (f JSONLines[K, V]) NewDecoder(file File, from Place) (Decoder[K, V], error) {
	lines, err := openLines(file, from, f.MaxRecordBytes)
	if err != nil {
		return nil, err
	}
	return &jsonDecoder[K, V]{lineReader: lines, plain: f.Plain || f.Row != nil, key: connector.ParseKey[K](), value: f.codec(), envelope: codec.JSON[envelope]()}, nil
}

type jsonDecoder[K, V any] struct {
	*lineReader
	plain    bool
	key      func(string) (K, error)
	value    codec.Codec[V]
	envelope codec.Codec[envelope]
}

// envelope is a line. Members are read when the line is known to be whole.
type envelope struct {
	Timestamp *int64          `json:"_timestamp"`
	Key       json.RawMessage `json:"_key"`
	Value     json.RawMessage `json:"_value"`
	Headers   []struct {
		Key   string  `json:"key"`
		Value *[]byte `json:"value"`
	} `json:"_headers"`
}

func (d *jsonDecoder[K, V]) Place() Place { return d.place(true) }

func (d *jsonDecoder[K, V]) Decode(r *weir.Record[K, V]) error {
	for d.next(true); ; d.next(false) {
		line, err := d.line()
		if err != nil {
			return err
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if d.plain {
			r.KeyNull = true
			err = d.decodeValue(line, r)
		} else {
			err = d.decodeRecord(line, r)
		}
		if err != nil {
			return d.fail(false, err)
		}
		return nil
	}
}

func (d *jsonDecoder[K, V]) decodeRecord(line []byte, r *weir.Record[K, V]) error {
	e, err := d.envelope.Decode(nil, line)
	switch {
	case err != nil:
		return cause(err)
	case e.Value == nil:
		return errors.New(`the line has no "_value": set JSONLines.Plain for files with values alone`)
	}
	if e.Timestamp != nil {
		r.Millis = *e.Timestamp
	}
	for _, h := range e.Headers {
		header := weir.Header{Key: h.Key}
		if h.Value != nil {
			header.Value = append([]byte{}, *h.Value...)
		}
		r.Headers = append(r.Headers, header)
	}
	if codec.IsJSONNull(e.Key) || e.Key == nil {
		r.KeyNull = true
	} else if r.Key, err = d.decodeKey(e.Key); err != nil {
		return fmt.Errorf("_key: %w", err)
	}
	if err := d.decodeValue(e.Value, r); err != nil {
		return fmt.Errorf("_value: %w", err)
	}
	return nil
}

// decodeKey reads a key: text, or a number or another value that other programs have written as it is.
func (d *jsonDecoder[K, V]) decodeKey(data json.RawMessage) (K, error) {
	text := string(data)
	if data[0] == '"' {
		if err := json.Unmarshal(data, &text); err != nil {
			var none K
			return none, err
		}
	}
	return d.key(text)
}

func (d *jsonDecoder[K, V]) decodeValue(data []byte, r *weir.Record[K, V]) (err error) {
	if codec.IsJSONNull(data) {
		r.ValueNull = true
		return nil
	}
	r.Value, err = d.value.Decode(nil, data)
	return cause(err)
}

// cause takes the words about types off an error of a codec.
func cause(err error) error {
	if e, ok := errors.AsType[*codec.Error](err); ok {
		return e.Err
	}
	return err
}
