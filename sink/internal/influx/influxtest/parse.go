// Package influxtest has a reader of the line protocol and a fake of the HTTP API of InfluxDB 3, for tests.
package influxtest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Point is a line as a server reads it. Fields are bool, int64, float64 or string.
type Point struct {
	Measurement string
	Tags        map[string]string
	Fields      map[string]any
	Time        int64
}

// Series names the point: another one with the same name takes its place.
func (p *Point) Series() string { return fmt.Sprintf("%q %q %d", p.Measurement, p.Tags, p.Time) }

// parser reads a text from the left.
type parser struct {
	text    string
	doubled bool // two backslashes in a name are one
}

var errLine = errors.New("this is no line")

// Lines cuts a body into lines as the servers do: at the ends of lines outside of quoted fields. A quote counts behind the equals sign of a field alone.
func Lines(body string) (lines []string) {
	quoted, fields, begin, equals, commas := false, false, 0, 0, 0
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '\\':
			i++
		case c == ' ':
			fields = true
		case c == '=' && fields && !quoted:
			equals++
		case c == ',' && fields && !quoted:
			commas++
		case c == '"' && equals > commas:
			quoted = !quoted
		case c == '\n' && !quoted:
			lines = append(lines, body[begin:i])
			begin, fields, equals, commas = i+1, false, 0, 0
		}
	}
	if begin < len(body) {
		lines = append(lines, body[begin:])
	}
	return lines
}

// Parse reads a line, as InfluxDB 3 does with doubled and as InfluxDB 1 does without it.
func Parse(text string, doubled bool) (*Point, error) {
	p := parser{text, doubled}
	point := &Point{Tags: map[string]string{}, Fields: map[string]any{}}
	if strings.HasPrefix(text, "#") {
		return nil, errLine
	}
	var end byte
	if point.Measurement, end = p.name(", "); point.Measurement == "" {
		return nil, errLine
	}
	for end == ',' {
		var name, value string
		if name, end = p.name(", ="); name == "" || end != '=' {
			return nil, fmt.Errorf("%w: a tag without a name or a value", errLine)
		}
		if value, end = p.name(", ="); value == "" || end == '=' {
			return nil, fmt.Errorf("%w: a tag without a value", errLine)
		}
		if _, twice := point.Tags[name]; twice {
			return nil, fmt.Errorf("%w: a tag twice", errLine)
		}
		point.Tags[name] = value
	}
	for more := true; more; {
		name, end := p.name(", =")
		if name == "" || end != '=' {
			return nil, fmt.Errorf("%w: no fields were provided", errLine)
		}
		value, err := p.value()
		if err != nil {
			return nil, err
		}
		if _, twice := point.Fields[name]; twice {
			return nil, fmt.Errorf("%w: a field twice", errLine)
		}
		point.Fields[name] = value
		more = strings.HasPrefix(p.text, ",")
		if p.text == "" {
			return nil, fmt.Errorf("%w: no time", errLine)
		}
		p.text = p.text[1:]
	}
	var err error
	if point.Time, err = strconv.ParseInt(p.text, 10, 64); err != nil {
		return nil, fmt.Errorf("%w: %w", errLine, err)
	}
	return point, nil
}

// name reads a name until one of the characters of ends, which it takes, and returns.
func (p *parser) name(ends string) (name string, end byte) {
	var b strings.Builder
	for i := 0; i < len(p.text); i++ {
		c := p.text[i]
		switch {
		case c == '\\' && i+1 < len(p.text) && (strings.IndexByte(", =", p.text[i+1]) >= 0 || p.text[i+1] == '\\' && p.doubled || p.text[i+1] == '"' && !p.doubled):
			i++
			b.WriteByte(p.text[i])
		case strings.IndexByte(ends, c) >= 0:
			p.text = p.text[i+1:]
			return b.String(), c
		default:
			b.WriteByte(c)
		}
	}
	p.text = ""
	return b.String(), 0
}

// value reads the value of a field.
func (p *parser) value() (any, error) {
	if strings.HasPrefix(p.text, `"`) {
		var b strings.Builder
		for i := 1; i < len(p.text); i++ {
			switch c := p.text[i]; {
			case c == '\\' && i+1 < len(p.text) && (p.text[i+1] == '\\' || p.text[i+1] == '"'):
				i++
				b.WriteByte(p.text[i])
			case c == '"':
				p.text = p.text[i+1:]
				return b.String(), nil
			default:
				b.WriteByte(c)
			}
		}
		return nil, fmt.Errorf("%w: a text without an end", errLine)
	}
	end := strings.IndexAny(p.text, ", ")
	if end < 0 {
		return nil, fmt.Errorf("%w: a value without an end", errLine)
	}
	text := p.text[:end]
	p.text = p.text[end:]
	switch digits, whole := strings.CutSuffix(text, "i"); {
	case text == "true" || text == "false":
		return text == "true", nil
	case whole:
		return strconv.ParseInt(digits, 10, 64)
	}
	return strconv.ParseFloat(text, 64)
}
