package row

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

// decoder reads one JSON text, strictly as RFC 8259 has it. It is not sonic because sonic's maps lose the order of columns,
// and its visitor, the one way to keep it, says neither where it stopped nor whether data follows the value.
// BenchmarkDecode compares.
type decoder struct {
	// text is a copy that belongs to the result: strings without escapes are parts of it.
	text  string
	at    int
	depth int
	// fields and values are stacks of unfinished rows and lists, so that a finished row or list is made in one piece.
	fields []Field
	values []Value
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// maxDepth is how deep rows and lists may be nested.
const maxDepth = 1000

var (
	errEmpty     = errors.New("want JSON, got no bytes")
	errNotRow    = errors.New("want a JSON object")
	errTrailing  = errors.New("data after the value")
	errCharacter = errors.New("unexpected character")
	errEnd       = errors.New("unexpected end")
	errDepth     = fmt.Errorf("nested deeper than %d", maxDepth)
	errNumber    = errors.New("malformed number")
	errEscape    = errors.New("malformed escape")
	errControl   = errors.New("control character in a string")
	errUTF8      = errors.New("text is not valid UTF-8")
)

// decode reads a value.
func decode(data []byte) (Value, error) {
	if len(data) == 0 {
		return Value{}, errEmpty
	}
	d := decoders.Get().(*decoder)
	d.text, d.at, d.depth = string(data), 0, 0
	v, err := d.document()
	if err != nil {
		err = d.located(err)
	}
	// The pool keeps nothing of the text.
	d.fields, d.values, d.text = pop(d.fields, 0), pop(d.values, 0), ""
	decoders.Put(d)
	return v, err
}

// pop removes the elements from begin on from a stack.
func pop[T any](stack []T, begin int) []T {
	clear(stack[begin:])
	return stack[:begin]
}

func (d *decoder) document() (Value, error) {
	if !utf8.ValidString(d.text) {
		for i, r := range d.text {
			if _, size := utf8.DecodeRuneInString(d.text[i:]); r == utf8.RuneError && size == 1 {
				d.at = i
				break
			}
		}
		return Value{}, errUTF8
	}
	v, err := d.value()
	if err != nil {
		return Value{}, err
	}
	if d.space(); d.at < len(d.text) {
		return Value{}, errTrailing
	}
	return v, nil
}

// located adds to an error where it was met, with a copy of the text around.
func (d *decoder) located(err error) error {
	const before, after = 16, 24
	excerpt := d.text[max(0, d.at-before):min(len(d.text), d.at+after)]
	return fmt.Errorf("syntax error: %w at byte %d of %d near %q", err, d.at, len(d.text), strings.ToValidUTF8(excerpt, "\uFFFD"))
}

func (d *decoder) space() {
	for d.at < len(d.text) {
		switch d.text[d.at] {
		case ' ', '\t', '\n', '\r':
			d.at++
		default:
			return
		}
	}
}

// next skips white space and returns the byte that follows, 0 at the end.
func (d *decoder) next() byte {
	if d.space(); d.at < len(d.text) {
		return d.text[d.at]
	}
	return 0
}

// unexpected is the error for the next character.
func (d *decoder) unexpected() error {
	if d.at >= len(d.text) {
		return errEnd
	}
	return errCharacter
}

func (d *decoder) value() (Value, error) {
	switch c := d.next(); {
	case c == '"':
		s, err := d.string()
		return String(s), err
	case c == '{':
		return d.row()
	case c == '[':
		return d.list()
	case c == '-' || c >= '0' && c <= '9':
		return d.number()
	case c == 't':
		return Bool(true), d.word("true")
	case c == 'f':
		return Bool(false), d.word("false")
	case c == 'n':
		return Value{}, d.word("null")
	}
	return Value{}, d.unexpected()
}

func (d *decoder) word(word string) error {
	if !strings.HasPrefix(d.text[d.at:], word) {
		return errCharacter
	}
	d.at += len(word)
	return nil
}

func (d *decoder) enter() error {
	d.at++
	if d.depth++; d.depth > maxDepth {
		return errDepth
	}
	return nil
}

func (d *decoder) row() (Value, error) {
	if err := d.enter(); err != nil {
		return Value{}, err
	}
	begin := len(d.fields)
	var seen map[string]int // of wide rows
	for first := true; ; first = false {
		c := d.next()
		if c == '}' && first {
			break
		}
		if c != '"' {
			return Value{}, d.unexpected()
		}
		name, err := d.string()
		if err != nil {
			return Value{}, err
		}
		if d.next() != ':' {
			return Value{}, d.unexpected()
		}
		d.at++
		v, err := d.value()
		if err != nil {
			return Value{}, err
		}
		d.fields, seen = add(d.fields, begin, seen, Field{name, v})
		if c := d.next(); c == '}' {
			break
		} else if c != ',' {
			return Value{}, d.unexpected()
		}
		d.at++
	}
	d.at++
	d.depth--
	fields := slices.Clone(d.fields[begin:])
	d.fields = pop(d.fields, begin)
	if len(fields) == 0 {
		fields = noFields
	}
	return Row{fields}.Value(), nil
}

// wide is the number of columns from which names are found by a map while decoding.
const wide = 32

// add puts a column behind those from begin. Of a name that comes twice the last value counts.
func add(fields []Field, begin int, seen map[string]int, f Field) ([]Field, map[string]int) {
	own := fields[begin:]
	if len(own) < wide {
		if i := find(own, f.Name); i >= 0 {
			own[i].Value = f.Value
			return fields, seen
		}
		return append(fields, f), seen
	}
	if seen == nil {
		seen = make(map[string]int, 2*wide)
		for i := range own {
			seen[own[i].Name] = i
		}
	}
	if i, ok := seen[f.Name]; ok {
		own[i].Value = f.Value
		return fields, seen
	}
	seen[f.Name] = len(own)
	return append(fields, f), seen
}

func (d *decoder) list() (Value, error) {
	if err := d.enter(); err != nil {
		return Value{}, err
	}
	begin := len(d.values)
	for first := true; ; first = false {
		if d.next() == ']' && first {
			break
		}
		v, err := d.value()
		if err != nil {
			return Value{}, err
		}
		d.values = append(d.values, v)
		if c := d.next(); c == ']' {
			break
		} else if c != ',' {
			return Value{}, d.unexpected()
		}
		d.at++
	}
	d.at++
	d.depth--
	list := slices.Clone(d.values[begin:])
	d.values = pop(d.values, begin)
	return List(list...), nil
}

// number reads a number: integers stay integers.
func (d *decoder) number() (Value, error) {
	begin := d.at
	if d.text[d.at] == '-' {
		d.at++
	}
	whole := d.at
	n, fits := d.digits()
	if d.at == whole || d.text[whole] == '0' && d.at > whole+1 {
		return Value{}, errNumber
	}
	float := false
	if d.at < len(d.text) && d.text[d.at] == '.' {
		float = true
		d.at++
		if begin := d.at; !d.skipDigits() {
			d.at = begin
			return Value{}, errNumber
		}
	}
	if d.at < len(d.text) && (d.text[d.at] == 'e' || d.text[d.at] == 'E') {
		float = true
		if d.at++; d.at < len(d.text) && (d.text[d.at] == '+' || d.text[d.at] == '-') {
			d.at++
		}
		if !d.skipDigits() {
			return Value{}, errNumber
		}
	}
	switch {
	case float:
		f, err := strconv.ParseFloat(d.text[begin:d.at], 64)
		if err != nil {
			return Value{}, fmt.Errorf("%w: it does not fit a float", errNumber)
		}
		return Float(f), nil
	case fits && whole == begin:
		return Int(n), nil
	case fits:
		return Int(-n), nil
	}
	if n, err := strconv.ParseInt(d.text[begin:d.at], 10, 64); err == nil { // the least one
		return Int(n), nil
	}
	return big(d.text[begin:d.at]), nil
}

// digits reads digits, and says whether they fit.
func (d *decoder) digits() (n int64, fits bool) {
	begin := d.at
	for d.at < len(d.text) {
		c := d.text[d.at] - '0'
		if c > 9 {
			break
		}
		n = n*10 + int64(c)
		d.at++
	}
	if d.at-begin > 18 { // longer ones may have overflown
		exact, err := strconv.ParseInt(d.text[begin:d.at], 10, 64)
		return exact, err == nil
	}
	return n, true
}

func (d *decoder) skipDigits() bool {
	begin := d.at
	for d.at < len(d.text) && d.text[d.at]-'0' <= 9 {
		d.at++
	}
	return d.at > begin
}

// string reads a string. Without escapes it is a part of the text.
func (d *decoder) string() (string, error) {
	d.at++
	begin := d.at
	for d.at < len(d.text) {
		switch c := d.text[d.at]; {
		case c == '"':
			s := d.text[begin:d.at]
			d.at++
			return s, nil
		case c == '\\':
			return d.unescape(begin)
		case c < ' ':
			return "", errControl
		}
		d.at++
	}
	return "", errEnd
}

// unescape reads the rest of a string from its first escape.
func (d *decoder) unescape(begin int) (string, error) {
	out := append(make([]byte, 0, 2*(d.at-begin)+16), d.text[begin:d.at]...)
	for d.at < len(d.text) {
		c := d.text[d.at]
		d.at++
		switch {
		case c == '"':
			return string(out), nil
		case c < ' ':
			d.at--
			return "", errControl
		case c != '\\':
			out = append(out, c)
			continue
		}
		if d.at >= len(d.text) {
			return "", errEnd
		}
		c = d.text[d.at]
		d.at++
		if c == 'u' {
			r, err := d.unicode()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
			continue
		}
		i := strings.IndexByte(`"\/bfnrt`, c)
		if i < 0 {
			return "", errEscape
		}
		out = append(out, "\"\\/\b\f\n\r\t"[i])
	}
	return "", errEnd
}

// unicode reads the digits behind \u, and the second half of a surrogate pair.
func (d *decoder) unicode() (rune, error) {
	r, err := d.hex()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if !strings.HasPrefix(d.text[d.at:], `\u`) {
		return 0, errEscape
	}
	d.at += 2
	second, err := d.hex()
	if err != nil {
		return 0, err
	}
	if r = utf16.DecodeRune(r, second); r == utf8.RuneError {
		return 0, errEscape
	}
	return r, nil
}

func (d *decoder) hex() (rune, error) {
	if len(d.text)-d.at < 4 {
		return 0, errEnd
	}
	n, err := strconv.ParseUint(d.text[d.at:d.at+4], 16, 32)
	if err != nil {
		return 0, errEscape
	}
	d.at += 4
	return rune(n), nil
}
