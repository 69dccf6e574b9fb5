package state

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// shownBytes is the greatest length of a key in an error, in bytes.
const shownBytes = 100

// Show returns the text of a decoded key in an error: strings and bytes in quotes, long ones cut.
func Show(key any) string {
	if key == nil {
		return "null"
	}
	v := reflect.ValueOf(key)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if bytes, ok := v.Interface().([]byte); ok {
		return Quote(bytes)
	}
	if v.Kind() == reflect.String {
		return Quote([]byte(v.String()))
	}
	return cut(fmt.Sprintf("%v", v.Interface()), shownBytes)
}

// Quote returns the text of an encoded key in an error: in quotes, a long one cut.
func Quote(key []byte) string {
	if short := cut(string(key), shownBytes); short != string(key) {
		return strconv.Quote(string(key[:len(short)-len(ellipsis)])) + ellipsis
	}
	return strconv.Quote(string(key))
}

const ellipsis = "..."

// cut shortens a text between two characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > shownBytes-utf8.UTFMax && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + ellipsis
}

// shown returns the text of the key of a record in an error.
func (s *Space) shown(key []byte) string {
	if s.ShowKey == nil {
		return Quote(key)
	}
	return s.ShowKey(key)
}

// shownRow returns the text of the key in a row that begins as rowKey says.
func (s *Space) shownRow(row []byte) string {
	if key, _, ok := splitKey(row[1:]); ok {
		return s.shown(key)
	}
	return Quote(row)
}

// splitKey splits a length, as many bytes, and the rest.
func splitKey(data []byte) (key, rest []byte, ok bool) {
	length, n := binary.Uvarint(data)
	if n <= 0 || length > uint64(len(data)-n) {
		return nil, nil, false
	}
	return data[n : n+int(length)], data[n+int(length):], true
}

// ShowKey returns the text of the key, and of the field in a Map, that a row of the changelog belongs to.
func (t *table[S]) ShowKey(row []byte) string {
	if len(row) == 0 || row[0] != familyState {
		return Quote(row)
	}
	return t.shown(row[1:])
}

// shown returns the text of a key of the table in an error.
func (t *table[S]) shown(key []byte) string {
	if t.showField == nil {
		return t.space.shown(key)
	}
	key, field, ok := splitKey(key)
	if !ok {
		return Quote(key)
	}
	if len(field) == 0 {
		return t.space.shown(key)
	}
	return t.space.shown(key) + " field " + t.showField(field)
}

// shownField returns the text of an encoded field in an error.
func (m *Map[F, S]) shownField(encoded []byte) string {
	field, err := m.fields.Decode(&m.fieldContext, encoded)
	if err != nil {
		return Quote(encoded)
	}
	return Show(field)
}

// ShowKey returns the text of the key that a row of the changelog belongs to.
func (s *Windowed[A]) ShowKey(row []byte) string {
	if len(row) == 0 || row[0] != familyWindow && row[0] != familyItem {
		return Quote(row)
	}
	return s.space.shownRow(row)
}

// ShowKey returns the text of the key that a row of the changelog belongs to.
func (s *Timestamped[V]) ShowKey(row []byte) string {
	if len(row) == 0 || row[0] != familyTimed {
		return Quote(row)
	}
	return s.space.shownRow(row)
}
