package mongodb

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
)

// document is a record as a part of a bulk write.
type document struct {
	collection string
	// name is the encoded _id, or empty for documents that a filter finds.
	name  string
	model mongo.WriteModel
	size  int
	// inserted says that the model is an insert, which keeps a document with the same id.
	inserted bool
	// done says that the server has it; refused is the answer to a document that it does not take.
	done    bool
	refused error
}

// OffsetID names each document after the input record that it comes from: TOPIC-PARTITION-OFFSET. It is for [Options.ID] of topologies that make at most one
// document of each input record, and none by timers: another one of the same record would have the same id.
func OffsetID[K, V any](r *weir.Record[K, V]) (any, error) {
	return r.Origin.Topic + "-" + strconv.Itoa(int(r.Origin.Partition)) + "-" + strconv.FormatInt(r.Origin.Offset, 10), nil
}

// Equal is a condition of [Options.Filter]: the field has exactly that value. A value of a record that is a document such as {"$gt": ""} is compared too,
// and not read as an operator.
func Equal(field string, value any) bson.E {
	return bson.E{Key: field, Value: bson.D{{Key: "$eq", Value: value}}}
}

// encoder makes documents of records. It is used by several goroutines at once.
type encoder[K, V any] struct {
	options *Options[K, V]
	key     func(K) (any, error)
}

func newEncoder[K, V any](o *Options[K, V]) *encoder[K, V] {
	return &encoder[K, V]{options: o, key: connector.KeyValue[K]()}
}

const maxDocument = 16 << 20 // bytes, the limit of MongoDB

// document makes the document of a record.
func (e *encoder[K, V]) document(r *weir.Record[K, V]) (*document, error) {
	o := e.options
	d := &document{collection: o.Collection}
	if o.CollectionOf != nil {
		var err error
		if d.collection, err = o.CollectionOf(r); err == nil {
			err = checkCollection(o.Database, d.collection)
		}
		if err != nil {
			return nil, fmt.Errorf("Options.CollectionOf: %w", err)
		}
	}
	content, err := e.content(r)
	if err != nil {
		return nil, err
	}
	if len(content) > maxDocument {
		return nil, fmt.Errorf("the document has %d bytes, and at most %d are possible", len(content), maxDocument)
	}
	if content == nil && o.Mode == Insert {
		return nil, errors.New("the value is null, and Mode is Insert")
	}
	filter, err := e.filter(r, content, d)
	if err != nil {
		return nil, err
	}
	d.size = len(content) + len(filter)
	return d, e.model(d, filter, content)
}

// filter returns the query for the document of a record, and the document's own _id as its name. There is none for a new ObjectID.
func (e *encoder[K, V]) filter(r *weir.Record[K, V], content bson.Raw, d *document) (bson.Raw, error) {
	o := e.options
	if o.Filter != nil {
		query, err := o.Filter(r)
		if err == nil && len(query) == 0 {
			err = errors.New("the query has no conditions: it would find every document")
		}
		if err != nil {
			return nil, fmt.Errorf("Options.Filter: %w", err)
		}
		filter, err := marshal(query)
		if err != nil {
			return nil, fmt.Errorf("Options.Filter: %w", err)
		}
		return filter, nil
	}
	id, err := e.id(r)
	if err != nil {
		return nil, err
	}
	own, err := content.LookupErr("_id")
	has := content != nil && err == nil
	switch {
	case id != nil && has && !id.Lookup("_id").Equal(own):
		return nil, fmt.Errorf("the document has the _id %v, and that of the record is %v", own, id.Lookup("_id"))
	case id == nil && has:
		id = element("_id", own)
	case id == nil:
		return nil, nil
	}
	d.name = string(id)
	switch t := id.Lookup("_id").Type; t {
	case bson.TypeArray, bson.TypeRegex, bson.TypeUndefined:
		return nil, fmt.Errorf("the _id is of type %v, which MongoDB does not take", t)
	}
	return id, nil
}

// element returns a document with one element.
func element(name string, v bson.RawValue) bson.Raw {
	out := make([]byte, 4, len(name)+len(v.Value)+7)
	out = append(append(append(out, byte(v.Type)), name...), 0)
	return finish(append(out, v.Value...))
}

// id returns the document with the _id of a record alone, or nil.
func (e *encoder[K, V]) id(r *weir.Record[K, V]) (bson.Raw, error) {
	o := e.options
	var id any
	var err error
	switch {
	case o.ID != nil:
		if id, err = o.ID(r); err != nil {
			return nil, fmt.Errorf("Options.ID: %w", err)
		}
	case r.KeyNull || o.Mode == Insert:
	default:
		if id, err = e.key(r.Key); err != nil {
			return nil, fmt.Errorf("the key as an _id: %w", err)
		}
	}
	if id == nil {
		return nil, nil
	}
	raw, err := marshal(bson.D{{Key: "_id", Value: id}})
	if err != nil {
		return nil, fmt.Errorf("the _id: %w", err)
	}
	return raw, nil
}

// model makes the write of a document.
func (e *encoder[K, V]) model(d *document, filter, content bson.Raw) error {
	o := e.options
	if filter == nil {
		switch {
		case content == nil:
			return errors.New("the record has neither a value nor an id: there is nothing to delete")
		case o.Mode == Merge:
			return errors.New("the record has no id: its key is null, and Mode is Merge")
		case o.NoUpsert:
			return errors.New("the record has no id: its key is null, and Options.NoUpsert is set")
		}
		id, err := marshal(bson.D{{Key: "_id", Value: bson.NewObjectID()}})
		if err != nil {
			return err
		}
		d.inserted, d.name, d.model = true, string(id), mongo.NewInsertOneModel().SetDocument(withID(content, id))
		return nil
	}
	id := filter
	if filter.Lookup("_id").Type == bson.TypeEmbeddedDocument && o.Filter == nil { // it could be read as operators
		filter = wrap("_id", wrap("$eq", filter.Lookup("_id").Value))
	}
	switch {
	case content == nil && o.Many:
		d.model = mongo.NewDeleteManyModel().SetFilter(filter)
	case content == nil:
		d.model = mongo.NewDeleteOneModel().SetFilter(filter)
	case o.Mode == Insert:
		if content.Lookup("_id").IsZero() {
			content = withID(content, id)
		}
		d.inserted, d.model = true, mongo.NewInsertOneModel().SetDocument(content)
	case o.Mode == Replace:
		if err := checkNames(content, "$"); err != nil {
			return err
		}
		d.model = mongo.NewReplaceOneModel().SetFilter(filter).SetReplacement(content).SetUpsert(!o.NoUpsert)
	default:
		if err := checkNames(content, "$."); err != nil {
			return err
		}
		if update := wrap("$set", content); o.Many {
			d.model = mongo.NewUpdateManyModel().SetFilter(filter).SetUpdate(update).SetUpsert(!o.NoUpsert)
		} else {
			d.model = mongo.NewUpdateOneModel().SetFilter(filter).SetUpdate(update).SetUpsert(!o.NoUpsert)
		}
	}
	return nil
}

// checkNames refuses fields that a server would read as operators or, in the mode Merge, as paths into other fields.
func checkNames(d bson.Raw, marks string) error {
	elements, err := d.Elements()
	if err != nil {
		return err
	}
	for _, e := range elements {
		switch name := e.Key(); {
		case name == "" && len(marks) > 1:
			return errors.New("a field has no name, which Merge cannot set")
		case strings.HasPrefix(name, "$"):
			return fmt.Errorf("the field %q begins with $, as operators do", name)
		case strings.Contains(marks, ".") && strings.Contains(name, "."):
			return fmt.Errorf("the field %q has a dot, which Merge would read as a path", name)
		}
	}
	return nil
}

// content returns the document of a record, or nil for a deletion.
func (e *encoder[K, V]) content(r *weir.Record[K, V]) (bson.Raw, error) {
	o := e.options
	var from any
	switch {
	case o.Document != nil:
		var err error
		if from, err = o.Document(r); err != nil {
			return nil, fmt.Errorf("Options.Document: %w", err)
		}
	case r.ValueNull:
		return nil, nil
	default:
		from = r.Value
	}
	if isNull(from) {
		return nil, nil
	}
	content, err := documentOf(from, o.Document == nil)
	if err != nil {
		return nil, fmt.Errorf("the value as a document: %w", err)
	}
	if o.Metadata == (Metadata{}) {
		return content, nil
	}
	fields, err := e.metadata(r)
	if err != nil {
		return nil, err
	}
	return with(content, fields)
}

// isNull reports whether a value is null: nil, a nil pointer, map or slice, a nil row.
func isNull(v any) bool {
	if r, ok := v.(row.Row); ok {
		return r.IsNil()
	}
	switch value := reflect.ValueOf(v); value.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return value.IsNil()
	}
	return false
}

// documentOf returns the document of a value. Other values become a field of one if wraps is set.
func documentOf(v any, wraps bool) (bson.Raw, error) {
	if text, ok := v.(string); ok && wraps {
		return marshal(bson.D{{Key: connector.ValueColumn, Value: text}})
	}
	t := reflect.TypeOf(v)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if k := t.Kind(); k == reflect.Struct || k == reflect.Map || t == reflect.TypeFor[bson.D]() || t == reflect.TypeFor[bson.Raw]() {
		if d, err := marshal(v); err == nil || !wraps {
			return d, err
		}
	}
	if !wraps {
		return nil, fmt.Errorf("a %T is no document", v)
	}
	wrapped, err := marshal(bson.D{{Key: connector.ValueColumn, Value: v}})
	if err != nil {
		return nil, err
	}
	switch value := wrapped.Lookup(connector.ValueColumn); value.Type {
	case bson.TypeEmbeddedDocument:
		return value.Value, nil
	case bson.TypeNull:
		return nil, nil
	}
	return wrapped, nil
}

// metadata returns the fields of a record.
func (e *encoder[K, V]) metadata(r *weir.Record[K, V]) (bson.Raw, error) {
	m := &e.options.Metadata
	var fields bson.D
	add := func(name string, value any) {
		if name != "" {
			fields = append(fields, bson.E{Key: name, Value: value})
		}
	}
	if m.Key != "" {
		var key any
		if !r.KeyNull {
			var err error
			if key, err = e.key(r.Key); err != nil {
				return nil, fmt.Errorf("the key as a field: %w", err)
			}
		}
		add(m.Key, key)
	}
	add(m.Time, bson.DateTime(r.Millis))
	if m.Headers != "" {
		add(m.Headers, headers(r.Headers))
	}
	add(m.Topic, r.Origin.Topic)
	add(m.Partition, r.Origin.Partition)
	add(m.Offset, r.Origin.Offset)
	raw, err := marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("the metadata: %w", err)
	}
	return raw, nil
}

// headers returns a document of headers, in the order of their first appearance.
func headers(all []weir.Header) bson.D {
	d := bson.D{}
	for _, h := range all {
		var value any = bson.Binary{Data: bytes.Clone(h.Value)}
		if utf8.Valid(h.Value) {
			value = string(h.Value)
		}
		at := len(d)
		for i := range d {
			if d[i].Key == h.Key {
				at = i
			}
		}
		if at == len(d) {
			d = append(d, bson.E{Key: h.Key})
		}
		d[at].Value = value
	}
	return d
}
