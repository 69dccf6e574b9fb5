package codec

import "bytes"

// NullEncoding is implemented by codecs of formats with an encoding of null, such as the text null of JSON. A record
// with such a key or value is a record with a null key or value: it deletes the row of a table, aggregations pass it over,
// and it is written as a null (for a value: a tombstone) and not as the bytes.
//
// A codec of a type that has a null of its own needs [Nuller] only: a decoded value that is null makes the record null as
// well. NullEncoding is for types that cannot hold a null, such as the int64 of JSON[int64].
type NullEncoding interface {
	// IsNullEncoding reports whether data says null. It is called after Decode, with the same arguments, even if Decode
	// has failed, and after Append with the bytes that it has written. Like Decode it must not keep or change data.
	IsNullEncoding(c *Context, data []byte) bool
}

// DecodeNullable decodes a key or a value as a topology does: null is true, and the result the zero value, if data is nil
// (a null record) or if c says that it is null, by [Nuller] or [NullEncoding].
func DecodeNullable[T any](c Codec[T], context *Context, data []byte) (v T, null bool, err error) {
	var none T
	if data == nil {
		return none, true, nil
	}
	v, err = c.Decode(context, data)
	if n, ok := c.(NullEncoding); ok && n.IsNullEncoding(context, data) {
		return none, true, nil
	}
	if err != nil {
		return none, false, err
	}
	if n, ok := c.(Nuller[T]); ok && n.IsNull(v) {
		return none, true, nil
	}
	return v, false, nil
}

// AppendNullable encodes a key or a value as a topology does. null is true, and dst is returned as it was given, if v is
// null, by [Nuller] or [NullEncoding]: write a null record in its place.
func AppendNullable[T any](dst []byte, c Codec[T], context *Context, v T) (out []byte, null bool, err error) {
	if n, ok := c.(Nuller[T]); ok && n.IsNull(v) {
		return dst, true, nil
	}
	out, err = c.Append(dst, context, v)
	if err != nil {
		return dst, false, err
	}
	if n, ok := c.(NullEncoding); ok && n.IsNullEncoding(context, out[len(dst):]) {
		return dst, true, nil
	}
	return out, false, nil
}

// IsJSONNull reports whether data is the text null of JSON, with or without white space around it. Codecs of JSON use it to
// implement [NullEncoding].
func IsJSONNull(data []byte) bool {
	for len(data) > 0 && (data[0] == ' ' || data[0] == '\n' || data[0] == '\r' || data[0] == '\t') {
		data = data[1:]
	}
	return len(data) >= 4 && data[0] == 'n' && string(bytes.TrimRight(data, " \n\r\t")) == "null"
}
