package influx

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
)

// Dialect says how a server reads backslashes in names and in values of tags.
type Dialect int8

const (
	// Doubled is that of InfluxDB 3: two backslashes are one.
	Doubled Dialect = iota
	// Literal is that of InfluxDB 1: a backslash is itself, unless the next character is a comma, a space, an equals sign or a quote.
	Literal
)

// Characters that a backslash has to go before.
const (
	specialInMeasurement = ", "
	specialInName        = ", ="
	// escapable are those that InfluxDB 1 takes the backslash away from.
	escapable = `, ="`
)

// errNoFields says that no field of a point is left.
var errNoFields = errors.New("the point has no field that is not null, and a point needs one")

// line appends points as lines. Nothing in a name or a value can end its place in a line: see the errors of escape.
type line struct {
	dialect  Dialect
	reserved string // the name of the time, which no tag and no field may have
	floats   bool   // integers of fields are written as floats
	bytes    []byte
	fields   int
}

// begin appends the name of a measurement.
func (l *line) begin(measurement string) error {
	if strings.HasPrefix(measurement, "#") {
		return fmt.Errorf("the measurement %s begins with #, as a comment does", shown(measurement))
	}
	if err := l.escape("measurement", measurement, specialInMeasurement); err != nil {
		return err
	}
	l.fields = 0
	return nil
}

// tag appends a tag. A null and an empty text leave it out, as the servers take none.
func (l *line) tag(name string, value row.Value) error {
	switch value.Kind() {
	case row.KindNull:
		return nil
	case row.KindList, row.KindRow:
		return fmt.Errorf("the tag %s is a %v, and a tag is text, a number or a boolean", shown(name), value.Kind())
	}
	text, err := connector.ValueText(value)
	if err != nil {
		return fmt.Errorf("the tag %s: %w", shown(name), err)
	}
	return l.textTag(name, text)
}

func (l *line) textTag(name, text string) error {
	if text == "" {
		return nil
	}
	l.bytes = append(l.bytes, ',')
	if err := l.name("tag", name); err != nil {
		return err
	}
	l.bytes = append(l.bytes, '=')
	if err := l.escape("text", text, specialInName); err != nil {
		return fmt.Errorf("the tag %s: %w", shown(name), err)
	}
	return nil
}

// field appends a field, unless it is null. Its kind is kept: integers are no floats.
func (l *line) field(name string, value row.Value) error {
	kind := value.Kind()
	if kind == row.KindNull {
		return nil
	}
	separator := byte(',')
	if l.fields == 0 {
		separator = ' '
	}
	l.fields++
	l.bytes = append(l.bytes, separator)
	if err := l.name("field", name); err != nil {
		return err
	}
	l.bytes = append(l.bytes, '=')
	var err error
	switch kind {
	case row.KindBool:
		var b bool
		b, err = row.As[bool](value)
		l.bytes = strconv.AppendBool(l.bytes, b)
	case row.KindInt:
		var n int64
		n, err = row.As[int64](value)
		l.bytes = strconv.AppendInt(l.bytes, n, 10)
		if !l.floats {
			l.bytes = append(l.bytes, 'i')
		}
	case row.KindFloat:
		var f float64
		f, err = row.As[float64](value)
		if err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
			err = fmt.Errorf("no server takes %v", f)
		}
		l.bytes = appendFloat(l.bytes, f)
	case row.KindString:
		var text string
		text, err = row.As[string](value)
		if err == nil && (!utf8.ValidString(text) || strings.Contains(text, "\x00")) {
			err = errNoText
		}
		l.quote(text)
	default:
		err = fmt.Errorf("it is a %v, and a field is text, a boolean, a float or an integer of 64 bits with a sign", kind)
	}
	if err != nil {
		return fmt.Errorf("the field %s: %w", shown(name), err)
	}
	return nil
}

var errNoText = errors.New("the text is not valid UTF-8, or has a zero byte")

// end appends the time, in the unit of the request.
func (l *line) end(time int64) error {
	if l.fields == 0 {
		return errNoFields
	}
	l.bytes = append(strconv.AppendInt(append(l.bytes, ' '), time, 10), '\n')
	return nil
}

// name appends the name of a tag or a field.
func (l *line) name(kind, name string) error {
	if name == l.reserved && name != "" {
		return fmt.Errorf("a %s has the name %q, which servers keep for the time of the point: set Options.TimeColumn, or rename it", kind, name)
	}
	return l.escape(kind, name, specialInName)
}

// escape appends a text with a backslash before each special character. An error says that no server would read the text as it is.
func (l *line) escape(kind, text, special string) error {
	refuse := func(problem string) error { return fmt.Errorf("the %s %s %s", kind, shown(text), problem) }
	switch {
	case text == "":
		return refuse("is empty")
	case plain(text):
		l.bytes = append(l.bytes, text...)
		return nil
	case text[len(text)-1] == '\\':
		return refuse("ends with a backslash, which would escape the character behind it")
	case !utf8.ValidString(text):
		return refuse("is not valid UTF-8")
	}
	begin := 0
	for i := range len(text) {
		c := text[i]
		switch {
		case c < ' ' || c == 0x7f:
			return refuse("has a control character, such as the end of a line")
		case c == '\\' && l.dialect == Literal:
			if strings.IndexByte(escapable, text[i+1]) >= 0 {
				return refuse("has a backslash before a comma, a space, an equals sign or a quote, which InfluxDB 1 cannot tell from an escape")
			}
		case c == '\\', c == ',', c == ' ', c == '=' && special == specialInName:
			l.bytes = append(append(l.bytes, text[begin:i]...), '\\')
			begin = i
		}
	}
	l.bytes = append(l.bytes, text[begin:]...)
	return nil
}

// plain reports whether a text consists of printable ASCII characters without a meaning in lines.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f || c == ',' || c == '=' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// quote appends the text of a field.
func (l *line) quote(text string) {
	l.bytes = append(l.bytes, '"')
	begin := 0
	for i := range len(text) {
		if c := text[i]; c == '"' || c == '\\' {
			l.bytes = append(append(l.bytes, text[begin:i]...), '\\')
			begin = i
		}
	}
	l.bytes = append(append(l.bytes, text[begin:]...), '"')
}

// appendFloat appends the shortest text of a float, with an exponent only where digits would be many.
func appendFloat(dst []byte, f float64) []byte {
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, 64)
}

// shown quotes the beginning of a text for errors.
func shown(text string) string {
	const length = 64
	if len(text) > length {
		return strconv.Quote(text[:length]) + "..."
	}
	return strconv.Quote(text)
}
