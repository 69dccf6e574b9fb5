package mongodb

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
)

// registry has the encoders of the driver, and those of rows and of types that write themselves as text.
var registry = newRegistry()

func newRegistry() *bson.Registry {
	r := bson.NewRegistry()
	r.RegisterTypeEncoder(reflect.TypeFor[row.Row](), bson.ValueEncoderFunc(func(_ bson.EncodeContext, w bson.ValueWriter, v reflect.Value) error {
		return writeRow(w, v.Interface().(row.Row))
	}))
	r.RegisterTypeEncoder(reflect.TypeFor[row.Value](), bson.ValueEncoderFunc(func(_ bson.EncodeContext, w bson.ValueWriter, v reflect.Value) error {
		return writeValue(w, v.Interface().(row.Value))
	}))
	r.RegisterInterfaceEncoder(reflect.TypeFor[encoding.TextMarshaler](), bson.ValueEncoderFunc(func(_ bson.EncodeContext, w bson.ValueWriter, v reflect.Value) error {
		if (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) && v.IsNil() {
			return w.WriteNull()
		}
		text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil {
			return err
		}
		return w.WriteString(string(text))
	}))
	return r
}

// writeRow writes a row as a document, in the order of its columns.
func writeRow(w bson.ValueWriter, r row.Row) error {
	if r.IsNil() {
		return w.WriteNull()
	}
	d, err := w.WriteDocument()
	if err != nil {
		return err
	}
	for name, value := range r.All() {
		e, err := d.WriteDocumentElement(name)
		if err == nil {
			err = writeValue(e, value)
		}
		if err != nil {
			return fmt.Errorf("field %q: %w", name, err)
		}
	}
	return d.WriteDocumentEnd()
}

// writeValue writes a value of a row: integers of more than 64 bits as a decimal.
func writeValue(w bson.ValueWriter, v row.Value) error {
	switch v.Kind() {
	case row.KindNull:
		return w.WriteNull()
	case row.KindBool:
		b, err := row.As[bool](v)
		return errors.Join(err, w.WriteBoolean(b))
	case row.KindInt:
		n, err := row.As[int64](v)
		return errors.Join(err, w.WriteInt64(n))
	case row.KindFloat:
		f, err := row.As[float64](v)
		return errors.Join(err, w.WriteDouble(f))
	case row.KindString:
		s, err := row.As[string](v)
		return errors.Join(err, w.WriteString(s))
	case row.KindRow:
		r, err := row.As[row.Row](v)
		if err != nil {
			return err
		}
		return writeRow(w, r)
	case row.KindList:
		list, err := row.As[[]row.Value](v)
		if err != nil {
			return err
		}
		a, err := w.WriteArray()
		if err != nil {
			return err
		}
		for _, element := range list {
			e, err := a.WriteArrayElement()
			if err == nil {
				err = writeValue(e, element)
			}
			if err != nil {
				return err
			}
		}
		return a.WriteArrayEnd()
	}
	d, err := bson.ParseDecimal128(v.String())
	if err != nil {
		return fmt.Errorf("the number %s: %w", v, err)
	}
	return w.WriteDecimal128(d)
}

// marshal returns the document of a Go value. Its names and texts are UTF-8.
func marshal(v any) (bson.Raw, error) {
	var out bytes.Buffer
	e := bson.NewEncoder(bson.NewDocumentWriter(&out))
	e.SetRegistry(registry)
	e.UseJSONStructTags()
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	d := bson.Raw(out.Bytes())
	return d, checkDocument(d, maxDepth)
}

// maxDepth is how deep MongoDB lets documents be.
const maxDepth = 100

var errDepth = fmt.Errorf("the document is nested more than %d deep", maxDepth)

// checkDocument looks for names and texts that are not UTF-8, which a server stores and readers fail at.
func checkDocument(d bson.Raw, depth int) error {
	if depth == 0 {
		return errDepth
	}
	elements, err := d.Elements()
	if err != nil {
		return err
	}
	for _, e := range elements {
		name := e.Key()
		if !utf8.ValidString(name) {
			return fmt.Errorf("the name of the field %q: %w", name, connector.ErrUTF8)
		}
		v := e.Value()
		switch v.Type {
		case bson.TypeString:
			if !utf8.ValidString(v.StringValue()) {
				return fmt.Errorf("field %q: %w", name, connector.ErrUTF8)
			}
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			if err := checkDocument(v.Value, depth-1); err != nil {
				return fmt.Errorf("field %q: %w", name, err)
			}
		}
	}
	return nil
}

// with returns a document with the elements of others behind its own. Elements of the document with their names are left out.
func with(d bson.Raw, others bson.Raw) (bson.Raw, error) {
	elements, err := d.Elements()
	if err != nil {
		return nil, err
	}
	out := make([]byte, 4, len(d)+len(others))
	for _, e := range elements {
		if _, err := others.LookupErr(e.Key()); err != nil {
			out = append(out, e...)
		}
	}
	return finish(append(out, others[4:len(others)-1]...)), nil
}

// withID returns a document that begins with an _id, which it has not yet.
func withID(d bson.Raw, id bson.Raw) bson.Raw {
	out := make([]byte, 4, len(d)+len(id))
	out = append(out, id[4:len(id)-1]...)
	return finish(append(out, d[4:len(d)-1]...))
}

// wrap returns a document with one element, which is a document.
func wrap(name string, d bson.Raw) bson.Raw {
	out := make([]byte, 4, len(name)+len(d)+7)
	out = append(append(append(out, byte(bson.TypeEmbeddedDocument)), name...), 0)
	return finish(append(out, d...))
}

// finish ends a document, and writes its size into the first 4 bytes.
func finish(d []byte) bson.Raw {
	d = append(d, 0)
	binary.LittleEndian.PutUint32(d, uint32(len(d)))
	return d
}
