package elasticsearch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/sink/internal/bulk"
)

// document is a record as a part of a bulk request.
type document struct {
	// lines are the action and, unless it is a deletion, the source, each with the end of its line.
	lines []byte
	// name is index and id, or empty if the service makes the id.
	name     string
	deletion bool
	bulk.Progress
}

// OffsetID names each document after the input record that it comes from: TOPIC-PARTITION-OFFSET. It is for [Options.ID] of topologies that make at most one
// document of each input record, and none by timers: another one of the same record would have the same id.
func OffsetID[K, V any](r *weir.Record[K, V]) (string, error) {
	return r.Origin.Topic + "-" + strconv.Itoa(int(r.Origin.Partition)) + "-" + strconv.FormatInt(r.Origin.Offset, 10), nil
}

// OffsetVersion gives each document the offset of the input record that it comes from. It is for [Options.Version], if all records with one id come from
// one partition. Offsets of a topic that is made anew begin at 0 again: write to a new index then.
func OffsetVersion[K, V any](r *weir.Record[K, V]) (int64, error) { return r.Origin.Offset, nil }

// encoder makes documents of records. It is used by several goroutines at once.
type encoder[K, V any] struct {
	options *Options[K, V]
	key     func(K) (text string, null bool, err error)
	value   codec.Codec[V]
	row     func(V) (row.Row, error)
	rows    codec.Codec[row.Row]
}

func newEncoder[K, V any](o *Options[K, V]) *encoder[K, V] {
	return &encoder[K, V]{
		options: o, key: connector.KeyText[K](), value: connector.ValueCodec[V](), row: connector.ToRow[V](), rows: row.JSON(),
	}
}

const maxID = 512 // bytes, the limit of the services

// document makes the document of a record.
func (e *encoder[K, V]) document(r *weir.Record[K, V]) (*document, error) {
	o := e.options
	index := o.Index
	if o.IndexOf != nil {
		var err error
		if index, err = o.IndexOf(r); err != nil {
			return nil, fmt.Errorf("Options.IndexOf: %w", err)
		}
		if err := checkIndex(index); err != nil {
			return nil, fmt.Errorf("Options.IndexOf: %w", err)
		}
		if index[0] == '.' {
			return nil, fmt.Errorf("Options.IndexOf: the index %q begins with a dot, as those of the service itself do", index)
		}
	}
	id, err := e.id(r)
	if err != nil {
		return nil, err
	}
	source, err := e.source(r)
	if err != nil {
		return nil, err
	}
	d := &document{deletion: source == nil}
	switch {
	case id != "":
		d.name = index + "/" + id // no index has a slash
	case o.Mode == Merge:
		return nil, errors.New("the record has no id: its key is null, and Mode is Merge")
	case o.Version != nil:
		return nil, errors.New("the record has no id: its key is null, and Options.Version is set")
	case d.deletion:
		return nil, errors.New("the record has neither a value nor an id: there is nothing to delete")
	}
	if d.deletion && o.Mode == Append {
		return nil, errors.New("the value is null, and Mode is Append")
	}
	d.lines = make([]byte, 0, len(source)+len(index)+len(id)+96)
	if err := e.action(d, r, index, id); err != nil {
		return nil, err
	}
	switch {
	case d.deletion:
	case o.Mode == Merge:
		d.lines = append(append(append(d.lines, `{"doc":`...), source...), `,"doc_as_upsert":true}`+"\n"...)
	default:
		d.lines = append(append(d.lines, source...), '\n')
	}
	return d, nil
}

// action appends the first line of a document. All texts of it are strings of JSON, so that none of them can end the line or add a member.
func (e *encoder[K, V]) action(d *document, r *weir.Record[K, V], index, id string) error {
	o := e.options
	name := []string{Replace: `{"index":{"_index":`, Merge: `{"update":{"retry_on_conflict":3,"_index":`, Append: `{"create":{"_index":`}[o.Mode]
	if d.deletion {
		name = `{"delete":{"_index":`
	}
	line := appendText(append(d.lines, name...), index)
	if id != "" {
		line = appendText(append(line, `,"_id":`...), id)
	}
	if o.Routing != nil {
		routing, err := o.Routing(r)
		if err != nil {
			return fmt.Errorf("Options.Routing: %w", err)
		}
		if !utf8.ValidString(routing) {
			return fmt.Errorf("Options.Routing: %w", connector.ErrUTF8)
		}
		if routing != "" {
			line = appendText(append(line, `,"routing":`...), routing)
		}
	}
	if o.Version != nil {
		version, err := o.Version(r)
		if err == nil && version < 0 {
			err = fmt.Errorf("%d is negative", version)
		}
		if err != nil {
			return fmt.Errorf("Options.Version: %w", err)
		}
		// The version may be equal: several documents of one input record have one.
		line = strconv.AppendInt(append(line, `,"version_type":"external_gte","version":`...), version, 10)
	}
	d.lines = append(line, "}}\n"...)
	return nil
}

// appendText appends a text as JSON.
func appendText(dst []byte, text string) []byte {
	plain := true
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			plain = false
			break
		}
	}
	if plain {
		return append(append(append(dst, '"'), text...), '"')
	}
	quoted, err := json.Marshal(text)
	if err != nil { // a string has none
		panic(err)
	}
	return append(dst, quoted...)
}

// id returns the id of a record, or "" for one that the service makes.
func (e *encoder[K, V]) id(r *weir.Record[K, V]) (string, error) {
	o := e.options
	var id string
	switch {
	case o.ID != nil:
		var err error
		if id, err = o.ID(r); err != nil {
			return "", fmt.Errorf("Options.ID: %w", err)
		}
	case o.Mode == Append || r.KeyNull:
		return "", nil
	default:
		text, null, err := e.key(r.Key)
		switch {
		case err != nil:
			return "", fmt.Errorf("the key as an id: %w", err)
		case null:
			return "", nil
		case text == "":
			return "", errors.New("the key is empty, and an id is not: set Options.ID")
		}
		id = text
	}
	if !utf8.ValidString(id) {
		return "", fmt.Errorf("the id: %w", connector.ErrUTF8)
	}
	if len(id) > maxID {
		return "", fmt.Errorf("the id %q... has %d bytes, and at most %d are possible", strings.ToValidUTF8(id[:32], ""), len(id), maxID)
	}
	return id, nil
}

// source returns the JSON object of a record in one line, or nil for a deletion.
func (e *encoder[K, V]) source(r *weir.Record[K, V]) (source []byte, err error) {
	switch {
	case e.options.Document != nil:
		if source, err = e.options.Document(r); err != nil || source == nil {
			return nil, err
		}
		if !json.Valid(source) {
			return nil, errors.New("the result of Document is not valid JSON")
		}
	case r.ValueNull:
		return nil, nil
	case e.options.Metadata != (Metadata{}):
		if source, err = e.withMetadata(r); err != nil || source == nil {
			return nil, err
		}
	default:
		if source, err = e.value.Append(nil, nil, r.Value); err != nil {
			return nil, fmt.Errorf("the value as a document: %w", err)
		}
	}
	if bytes.ContainsAny(source, "\r\n") { // of a type that writes its own JSON
		var line bytes.Buffer
		if err := json.Compact(&line, source); err != nil {
			return nil, fmt.Errorf("the value as a document: %w", err)
		}
		source = line.Bytes()
	}
	source = bytes.TrimSpace(source)
	switch {
	case bytes.HasPrefix(source, []byte("{")):
		return source, nil
	case e.options.Document != nil:
		return nil, errors.New("the result of Document is not a JSON object")
	case string(source) == "null": // a nil pointer or map
		return nil, nil
	}
	return append(append([]byte(`{"`+connector.ValueColumn+`":`), source...), '}'), nil
}

// withMetadata returns the document of a value with the fields of its record.
func (e *encoder[K, V]) withMetadata(r *weir.Record[K, V]) ([]byte, error) {
	m := &e.options.Metadata
	fields, err := e.row(r.Value)
	if err != nil {
		return nil, fmt.Errorf("the value as a document: %w", err)
	}
	if fields.IsNil() {
		return nil, nil
	}
	if m.Key != "" {
		fields = fields.With(m.Key, row.Null())
		if !r.KeyNull {
			text, null, err := e.key(r.Key)
			if err != nil {
				return nil, fmt.Errorf("the key as a field: %w", err)
			}
			if !null {
				fields = fields.With(m.Key, text)
			}
		}
	}
	if m.Time != "" {
		fields = fields.With(m.Time, r.Millis)
	}
	if m.Headers != "" {
		headers := row.New()
		for _, h := range r.Headers {
			if !utf8.Valid(h.Value) || !utf8.ValidString(h.Key) {
				return nil, fmt.Errorf("the header %q as a field: %w", h.Key, connector.ErrUTF8)
			}
			headers = headers.With(h.Key, string(h.Value))
		}
		fields = fields.With(m.Headers, headers)
	}
	if m.Topic != "" {
		fields = fields.With(m.Topic, r.Origin.Topic)
	}
	if m.Partition != "" {
		fields = fields.With(m.Partition, r.Origin.Partition)
	}
	if m.Offset != "" {
		fields = fields.With(m.Offset, r.Origin.Offset)
	}
	source, err := e.rows.Append(nil, nil, fields)
	if err != nil {
		return nil, fmt.Errorf("the value as a document: %w", err)
	}
	return source, nil
}

const maxIndex = 255 // bytes, the limit of the services

// checkIndex reports whether the services take a name as it is. They read the others as patterns, lists or dates, or refuse them.
func checkIndex(name string) error {
	const refused = `\/*?"<>| ,#:`
	var problem string
	switch {
	case name == "":
		problem = "it is empty"
	case !utf8.ValidString(name):
		return fmt.Errorf("the index %q: %w", name, connector.ErrUTF8)
	case len(name) > maxIndex:
		return fmt.Errorf("the index %q... has %d bytes, and at most %d are possible", strings.ToValidUTF8(name[:32], ""), len(name), maxIndex)
	case strings.ContainsAny(name, refused) || strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f }):
		problem = "it has a space, a control character or one of " + strings.ReplaceAll(refused, " ", "")
	case strings.ToLower(name) != name:
		problem = "it has upper-case letters"
	case strings.ContainsAny(name[:1], "-_+"), name == ".", name == "..":
		problem = "it is . or .. or begins with -, _ or +"
	}
	if problem == "" {
		return nil
	}
	return fmt.Errorf("%q is no name of an index: %s", name, problem)
}
