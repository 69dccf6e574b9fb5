package avro

import (
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	"github.com/hamba/avro/v2"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/registry"
)

// TypedFormat is a codec of T and a [registry.Format].
//
// A nil pointer, map, slice or interface is null.
type TypedFormat[T any] struct {
	typedCodec[T]
	schema *schema
}

// Typed returns the format of a Go type, usually a struct with fields that have tags `avro:"name"`:
//
//	boolean, string, bytes, int, long      bool, string, []byte, int32, int64 and int
//	float, double                          float32, float64
//	array, map                             slice, map[string]X
//	fixed, enum                            [n]byte, string
//	["null", X], [X, "null"]               pointer to X; nil is null. A struct reads null as its zero value.
//	other unions                           any; see Register for records in them
//	timestamp-millis, timestamp-micros     time.Time
//	date                                   time.Time
//	time-millis, time-micros               time.Duration
//	local-timestamp-millis, -micros        time.Time, as in [Generic]
//	decimal                                *big.Rat
//
// A value that does not fit its type, such as a decimal with more digits than the schema's scale, is an error, as in [Generic], and
// both write the same bytes. Schemas with a date, a decimal or a local timestamp are written as fast as maps are. Data of another schema are
// read as fast as maps too, unless the schemas differ only in the order of fields, in added or removed fields, and in wider numbers.
//
// references are the schemas that the schema refers to. The error is about the schema, or about a struct in T whose tags name no fields
// of its record, or that shares no field with it: these fields would be zero in all values. A field that some schemas lack has a tag
// `avro:"name,optional"`. A struct may lack fields of the record that it does not read. A T of another kind, such as a text for a number, shows when the first value is encoded or decoded.
func Typed[T any](schema string, references ...registry.Reference) (*TypedFormat[T], error) {
	s, err := parse(schema, references)
	if err != nil {
		return nil, fmt.Errorf("avro schema: %w", err)
	}
	if err := checkFit(s.parsed, reflect.TypeFor[T]()); err != nil {
		return nil, fmt.Errorf("avro type: %w", err)
	}
	// One block for each array and map, without its size, as Java's writers do.
	config := avro.Config{BlockLength: 1 << 30, DisableBlockSizeHeader: true}
	f := &TypedFormat[T]{typedCodec[T]{written: s, read: s.parsed, pools: newPools[T](config), registered: map[string]reflect.Type{}}, s}
	if err := f.chooseMaps(s, s); err != nil {
		return nil, err
	}
	switch reflect.TypeFor[T]().Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		f.nilable = true
	}
	return f, nil
}

// Register says that a record (or other named type) of this full name is a value of type X where it lies in an interface,
// as in a union of several records. X must not be a pointer: the interface holds the struct itself. Call it before f is used.
func (f *TypedFormat[T]) Register[X any](name string) error {
	// The library (v2.31.0) writes beyond the end of small structs if it is given a pointer.
	var example X
	if reflect.TypeFor[X]().Kind() == reflect.Pointer {
		return fmt.Errorf("register %s: want a type that is no pointer, got %s", name, reflect.TypeFor[X]())
	}
	if err := checkRegistered(f.schema.parsed, name, reflect.TypeFor[X]()); err != nil {
		return fmt.Errorf("register %s: %w", name, err)
	}
	f.registered[name] = reflect.TypeFor[X]()
	f.pools.small.Register(name, example)
	f.pools.large.Register(name, example)
	return f.chooseMaps(f.schema, f.schema)
}

// IsNull implements [codec.Nuller].
func (f *TypedFormat[T]) IsNull(v T) bool {
	// The first word of a pointer, map, slice or interface is zero exactly if it is nil.
	return f.nilable && *(*unsafe.Pointer)(unsafe.Pointer(&v)) == nil
}

// IsNullEncoding implements [codec.NullEncoding]: a value of the type null, or of a union that holds a null, is null.
func (t typedCodec[T]) IsNullEncoding(_ *codec.Context, data []byte) bool {
	return t.sourceSchema().check.isNull(data)
}

// Schema implements [registry.Format].
func (f *TypedFormat[T]) Schema() registry.Schema { return f.schema.registered }

// Writer implements [registry.Format].
func (f *TypedFormat[T]) Writer(registered registry.Schema) (codec.Codec[T], error) {
	if registered.Text == f.schema.registered.Text {
		return f, nil
	}
	s, err := writersSchema(registered)
	if err != nil {
		return nil, err
	}
	c := f.typedCodec
	c.written, c.read = s, s.parsed
	return c, c.chooseMaps(s, s)
}

// Reader implements [registry.Format].
func (f *TypedFormat[T]) Reader(writer func() (registry.Schema, error)) (codec.Codec[T], error) {
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
func (f *TypedFormat[T]) ReadWith(writer string, references ...registry.Reference) (codec.Codec[T], error) {
	s, err := parse(writer, references)
	if err != nil {
		return nil, fmt.Errorf("avro schema of the writer: %w", err)
	}
	return f.readWith(s)
}

func (f *TypedFormat[T]) readWith(w *schema) (codec.Codec[T], error) {
	c := f.typedCodec
	c.source, c.read = w, nil
	if composable(w.parsed, f.schema.parsed, nil) {
		// An error leaves it to the maps, which read more.
		c.read, _ = avro.NewSchemaCompatibility().Resolve(f.schema.parsed, w.parsed)
	}
	return c, c.chooseMaps(f.schema, w)
}

// typedCodec is a codec for one pair of schemas.
type typedCodec[T any] struct {
	written *schema // what Append writes
	source  *schema // what Decode is given; nil if it is the same
	read    avro.Schema
	pools   *pools[T]
	nilable bool
	// writeMaps and readMaps are set for schemas that the library gets wrong.
	writeMaps, readMaps *mapped
	registered          map[string]reflect.Type // shared, set before the first use
}

// chooseMaps decides how values are written with a schema, and how data of another are read as it.
func (t *typedCodec[T]) chooseMaps(s, from *schema) error {
	write, read := needsMaps(s)
	write = write || s.softened || hasPointerInUnion(s.parsed, reflect.TypeFor[T]())
	if t.hasStructInUnion(s) {
		write, read = true, true
	}
	if from != s {
		_, theirs := needsMaps(from)
		read = read || theirs || s.softened || t.read == nil
	}
	t.writeMaps, t.readMaps = nil, nil
	if !write && !read {
		return nil
	}
	native, err := s.native()
	if err != nil {
		return fmt.Errorf("avro schema: %w", err)
	}
	generic, err := newGenericCodec(s, from, native, true)
	if err != nil {
		return err
	}
	m := &mapped{generic: generic, schema: s.parsed, defaults: s.defaults, registered: t.registered}
	if write {
		t.writeMaps = m
	}
	if read {
		t.readMaps = m
	}
	return nil
}

// pools keep the heap memory of calls.
type pools[T any] struct {
	// Up to modest, the library is let loose on data without arrays, maps and recursion at once: it allocates no more
	// than that for a string. For larger data it is set to take any length, and the data is checked first.
	small, large             avro.API
	writers                  sync.Pool // of *typedWriter[T]
	smallReaders, bigReaders sync.Pool // of *typedReader[T]
}

type typedWriter[T any] struct {
	value  T
	writer *avro.Writer
}

type typedReader[T any] struct {
	value  T
	reader *avro.Reader
}

func newPools[T any](config avro.Config) *pools[T] {
	p := &pools[T]{small: config.Freeze()}
	config.MaxByteSliceSize = -1
	p.large = config.Freeze()
	p.writers.New = func() any {
		return &typedWriter[T]{writer: avro.NewWriter(nil, 512, avro.WithWriterConfig(p.small))}
	}
	p.smallReaders.New = func() any {
		return &typedReader[T]{reader: avro.NewReader(nil, 0, avro.WithReaderConfig(p.small))}
	}
	p.bigReaders.New = func() any {
		return &typedReader[T]{reader: avro.NewReader(nil, 0, avro.WithReaderConfig(p.large))}
	}
	return p
}

// Append implements [codec.Codec].
func (t typedCodec[T]) Append(dst []byte, c *codec.Context, v T) ([]byte, error) {
	if t.writeMaps != nil {
		value, err := t.writeMaps.toGeneric(t.writeMaps.schema, reflect.ValueOf(&v).Elem())
		if err == nil {
			var out []byte
			if out, err = t.writeMaps.generic.append(dst, value, t.writeMaps.generic.toNative); err == nil {
				return out, nil
			}
		}
		return dst, codec.Failed[T](codec.Encode, c, err)
	}
	w := t.pools.writers.Get().(*typedWriter[T])
	w.writer.Reset(nil)
	w.writer.Error = nil
	w.value = v
	w.writer.WriteVal(t.written.parsed, &w.value)
	err := w.writer.Error
	if err == nil {
		dst = append(dst, w.writer.Buffer()...)
	}
	var none T
	w.value = none
	t.pools.writers.Put(w)
	if err != nil {
		return dst, codec.Failed[T](codec.Encode, c, err)
	}
	return dst, nil
}

// sourceSchema returns the schema of the data that Decode receives.
func (t typedCodec[T]) sourceSchema() *schema {
	if t.source == nil {
		return t.written
	}
	return t.source
}

// Decode implements [codec.Codec].
func (t typedCodec[T]) Decode(c *codec.Context, data []byte) (T, error) {
	if t.readMaps != nil {
		var v, none T
		value, err := t.readMaps.generic.decode(data)
		if err == nil {
			err = t.readMaps.fromGeneric(t.readMaps.schema, value, reflect.ValueOf(&v).Elem())
		}
		if err != nil {
			return none, codec.Failed[T](codec.Decode, c, err)
		}
		return v, nil
	}
	source := t.sourceSchema()
	pool := &t.pools.smallReaders
	if len(data) > modest {
		pool = &t.pools.bigReaders
	}
	if large := len(data) > modest; (source.guarded || large) && !source.check.sound(data, !large) {
		var none T
		return none, codec.Failed[T](codec.Decode, c, source.check.verify(data))
	}
	r := pool.Get().(*typedReader[T])
	r.reader.Reset(data)
	r.reader.Error = nil
	r.reader.ReadVal(t.read, &r.value)
	v, err := r.value, r.reader.Error
	var none T
	r.value = none
	r.reader.Reset(nil)
	pool.Put(r)
	if err != nil {
		// The check finds the field more often than not.
		if found := source.check.verify(data); found != nil {
			err = found
		}
		return none, codec.Failed[T](codec.Decode, c, err)
	}
	return v, nil
}
