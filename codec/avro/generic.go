package avro

import (
	"bytes"
	"fmt"

	"github.com/hamba/avro/v2"
	"github.com/linkedin/goavro/v2"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/registry"
)

// GenericFormat is a codec of records as maps, and a [registry.Format]. A nil map is null.
type GenericFormat struct {
	genericCodec
	schema *schema
	native *goavro.Codec
	tagged bool
}

// Generic returns the format of records as maps from the names of the fields to their values:
//
//	null, boolean, string, bytes         nil, bool, string, []byte
//	int, long, float, double             int32, int64, float32, float64
//	array, map, record                   []any, map[string]any
//	enum, fixed                          string, []byte
//	union                                the value itself; see [Branch] and TaggedUnions
//	timestamp-millis, timestamp-micros   time.Time
//	local-timestamp-millis, -micros      time.Time; see below
//	date                                 time.Time
//	time-millis, time-micros             time.Duration
//	decimal                              *big.Rat
//
// When writing, every type of number is taken that holds the value, a json.Number too; missing fields get their default,
// and fields that the schema does not have are left out. A value that is changed to fit is copied first.
//
// A local timestamp is read as the same date and time of day in UTC, and written as the date and time of day in the location of the
// time.Time. A decimal that has more digits than the schema's precision or scale is an error; times are
// rounded down to the unit of their type.
//
// references are the schemas that the schema refers to.
func Generic(schema string, references ...registry.Reference) (*GenericFormat, error) {
	s, err := parse(schema, references)
	if err != nil {
		return nil, fmt.Errorf("avro schema: %w", err)
	}
	return newGeneric(s, false)
}

func newGeneric(s *schema, tagged bool) (*GenericFormat, error) {
	if s.parsed.Type() != avro.Record {
		return nil, fmt.Errorf("avro schema: %w", errNotRecord)
	}
	native, err := s.native()
	if err != nil {
		return nil, fmt.Errorf("avro schema: %w", err)
	}
	f := &GenericFormat{schema: s, native: native, tagged: tagged}
	f.genericCodec, err = newGenericCodec(s, s, native, tagged)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// newGenericCodec returns the codec that writes with schema s, with goavro's codec native for s, and reads data of schema from.
func newGenericCodec(s, from *schema, native *goavro.Codec, tagged bool) (genericCodec, error) {
	reader := native
	if from != s {
		var err error
		if reader, err = from.native(); err != nil {
			return genericCodec{}, fmt.Errorf("avro schema of the writer: %w", err)
		}
	}
	c := genericCodec{
		writer: native, reader: reader, source: from, aliases: mayAlias(from.parsed, map[string]bool{}),
		toNative: (&tagger{tagged, false, s.defaults, map[string]*change{}}).change(s.parsed),
		loose:    (&tagger{tagged, true, s.defaults, map[string]*change{}}).change(s.parsed),
	}
	var err error
	c.fromNative, err = (&resolver{tagged, s.defaults, map[[2]string]*change{}}).resolve(from.parsed, s.parsed)
	switch {
	case err != nil && from != s:
		return c, fmt.Errorf("data of the writer's schema cannot be read with this one: %w", err)
	case err != nil:
		return c, fmt.Errorf("avro schema: %w", err)
	}
	return c, nil
}

// TaggedUnions returns the format that has values of unions as maps from the name of the branch to the value, as goavro and
// the JSON encoding of Avro have them. Null is nil.
func (f *GenericFormat) TaggedUnions() *GenericFormat {
	tagged, err := newGeneric(f.schema, true)
	if err != nil {
		return f // it was made once, so it can be made again
	}
	return tagged
}

// native returns goavro's codec.
func (s *schema) native() (*goavro.Codec, error) {
	text, err := withoutLogical(s.whole)
	if err != nil {
		return nil, err
	}
	return goavro.NewCodec(text)
}

// Schema implements [registry.Format].
func (f *GenericFormat) Schema() registry.Schema { return f.schema.registered }

// Writer implements [registry.Format].
func (f *GenericFormat) Writer(registered registry.Schema) (codec.Codec[map[string]any], error) {
	if registered.Text == f.schema.registered.Text {
		return f, nil
	}
	s, err := writersSchema(registered)
	if err != nil {
		return nil, err
	}
	return newGeneric(s, f.tagged)
}

// Reader implements [registry.Format].
func (f *GenericFormat) Reader(writer func() (registry.Schema, error)) (codec.Codec[map[string]any], error) {
	w, err := writer()
	if err != nil {
		return nil, err
	}
	s, err := writersSchema(w)
	if err != nil {
		return nil, err
	}
	return f.readWith(s)
}

// ReadWith returns a codec for data that was written with another schema, without a registry. It writes with f's schema.
func (f *GenericFormat) ReadWith(writer string, references ...registry.Reference) (codec.Codec[map[string]any], error) {
	s, err := parse(writer, references)
	if err != nil {
		return nil, fmt.Errorf("avro schema of the writer: %w", err)
	}
	return f.readWith(s)
}

func (f *GenericFormat) readWith(w *schema) (codec.Codec[map[string]any], error) {
	return newGenericCodec(f.schema, w, f.native, f.tagged)
}

// genericCodec is a codec for one pair of schemas.
type genericCodec struct {
	writer, reader       *goavro.Codec
	source               *schema
	toNative, fromNative change
	// loose is toNative for values that hold a json.Number. It has to look at every number.
	loose change
	// aliases is set if the data holds bytes, which goavro does not copy.
	aliases bool
}

// IsNull implements [codec.Nuller].
func (g genericCodec) IsNull(v map[string]any) bool { return v == nil }

// Append implements [codec.Codec].
func (g genericCodec) Append(dst []byte, c *codec.Context, v map[string]any) ([]byte, error) {
	out, err := g.append(dst, v, g.toNative)
	if err != nil && g.loose != nil {
		out, err = g.append(dst, v, g.loose)
	}
	if err != nil {
		return dst, codec.Failed[map[string]any](codec.Encode, c, err)
	}
	return out, nil
}

func (g genericCodec) append(dst []byte, native any, toNative change) ([]byte, error) {
	if toNative != nil {
		var err error
		if native, err = toNative(native); err != nil {
			return dst, err
		}
	}
	return g.writer.BinaryFromNative(dst, native)
}

// Decode implements [codec.Codec].
func (g genericCodec) Decode(c *codec.Context, data []byte) (map[string]any, error) {
	v, err := g.decode(data)
	if err != nil {
		return nil, codec.Failed[map[string]any](codec.Decode, c, err)
	}
	record, ok := v.(map[string]any)
	if !ok {
		return nil, codec.Failed[map[string]any](codec.Decode, c, fmt.Errorf("the writer's value is of type %T", v))
	}
	return record, nil
}

// decode returns a value of any type.
func (g genericCodec) decode(data []byte) (any, error) {
	if !g.source.check.sound(data, false) {
		return nil, g.source.check.verify(data)
	}
	if g.aliases {
		data = bytes.Clone(data)
	}
	v, _, err := g.reader.NativeFromBinary(data)
	if err == nil && g.fromNative != nil {
		v, err = g.fromNative(v)
	}
	return v, err
}

func mayAlias(s avro.Schema, seen map[string]bool) bool {
	s = deref(s)
	if named, ok := s.(avro.NamedSchema); ok {
		if seen[named.FullName()] {
			return false
		}
		seen[named.FullName()] = true
	}
	switch s := s.(type) {
	case *avro.RecordSchema:
		for _, f := range s.Fields() {
			if mayAlias(f.Type(), seen) {
				return true
			}
		}
	case *avro.UnionSchema:
		for _, branch := range s.Types() {
			if mayAlias(branch, seen) {
				return true
			}
		}
	case *avro.ArraySchema:
		return mayAlias(s.Items(), seen)
	case *avro.MapSchema:
		return mayAlias(s.Values(), seen)
	}
	return s.Type() == avro.Bytes || s.Type() == avro.Fixed
}
