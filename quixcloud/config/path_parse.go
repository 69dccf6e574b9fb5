package config

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/weirstreams/weir/row"
)

// pathParser reads a path from left to right. After the first error it reads nothing more.
type pathParser struct {
	text  string
	at    int
	depth int // of brackets and parentheses
	err   error
}

// maxPathDepth is how deep brackets and parentheses may be nested.
const maxPathDepth = 100

func parse(text string) ([]segment, error) {
	p := &pathParser{text: text}
	p.blank()
	var segments []segment
	if !p.take("$") && !strings.HasPrefix(text[p.at:], "[") {
		segments = append(segments, segment{selectors: []selector{named(p.name())}})
	}
	segments = append(segments, p.segments()...)
	p.blank()
	if p.err == nil && p.more() {
		p.fail("a segment")
	}
	return segments, p.err
}

func (p *pathParser) more() bool { return p.err == nil && p.at < len(p.text) }

// fail notes the token that is expected at this place.
func (p *pathParser) fail(expected string) {
	if p.err == nil {
		p.err = fmt.Errorf("expected %s at byte %d", expected, p.at)
	}
}

func (p *pathParser) blank() {
	for p.more() && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// take reads a token if it is next.
func (p *pathParser) take(token string) bool {
	if p.err != nil || !strings.HasPrefix(p.text[p.at:], token) {
		return false
	}
	p.at += len(token)
	return true
}

// need reads a token.
func (p *pathParser) need(token string) {
	if p.blank(); !p.take(token) {
		p.fail(strconv.Quote(token))
	}
}

// segments reads segments until something else comes.
func (p *pathParser) segments() (segments []segment) {
	for p.more() {
		before := p.at
		p.blank()
		switch {
		case p.take(".."):
			g := segment{descend: true}
			if p.take("[") {
				g.selectors = p.brackets()
			} else {
				g.selectors = []selector{p.member()}
			}
			segments = append(segments, g)
		case p.take("."):
			segments = append(segments, segment{selectors: []selector{p.member()}})
		case p.take("["):
			segments = append(segments, segment{selectors: p.brackets()})
		default:
			p.at = before
			return segments
		}
	}
	return segments
}

// member reads the part after a dot.
func (p *pathParser) member() selector {
	if p.take("*") {
		return all{}
	}
	return named(p.name())
}

// name reads a name that is not in quotes.
func (p *pathParser) name() string {
	begin := p.at
	for p.more() && strings.IndexByte(" \t\r\n.[]()'\",?*@$=!<>&|:", p.text[p.at]) < 0 {
		p.at++
	}
	if p.at == begin {
		p.fail("a name")
	}
	return p.text[begin:p.at]
}

// deeper counts an opened bracket or parenthesis, and returns the function that closes it.
func (p *pathParser) deeper() func() {
	if p.depth++; p.depth > maxPathDepth && p.err == nil {
		p.err = fmt.Errorf("brackets are nested deeper than %d", maxPathDepth)
	}
	return func() { p.depth-- }
}

// brackets reads selectors up to the closing bracket.
func (p *pathParser) brackets() (selectors []selector) {
	defer p.deeper()()
	for p.err == nil {
		selectors = append(selectors, p.selector())
		if p.blank(); !p.take(",") {
			break
		}
	}
	p.need("]")
	return selectors
}

func (p *pathParser) selector() selector {
	p.blank()
	switch {
	case p.take("*"):
		return all{}
	case p.take("?"):
		return filtered{p.either()}
	case p.more() && (p.text[p.at] == '\'' || p.text[p.at] == '"'):
		return named(p.quoted())
	}
	var bounds [3]*int
	part := 0
	for ; ; part++ {
		p.blank()
		bounds[part] = p.integer()
		if p.blank(); part == 2 || !p.take(":") {
			break
		}
	}
	switch {
	case part > 0:
		step := 1
		if bounds[2] != nil {
			step = *bounds[2]
		}
		return slice{bounds[0], bounds[1], step}
	case bounds[0] == nil:
		p.fail("a selector")
		return all{}
	}
	return indexed(*bounds[0])
}

// integer reads a number without a fraction, if there is one.
func (p *pathParser) integer() *int {
	begin := p.at
	p.take("-")
	for p.more() && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		p.at++
	}
	if p.at == begin {
		return nil
	}
	n, err := strconv.Atoi(p.text[begin:p.at])
	if err != nil || n > 1<<53 || n < -1<<53 {
		p.at = begin
		p.fail("an integer of at most 53 bits")
	}
	return &n
}

// quoted reads text in single or double quotes, with the escapes of JSON and \'.
func (p *pathParser) quoted() string {
	quote := p.text[p.at]
	begin := p.at
	p.at++
	inJSON := []byte{'"'}
	for ; p.more() && p.text[p.at] != quote; p.at++ {
		switch c := p.text[p.at]; {
		case c == '\\' && p.at+1 < len(p.text):
			p.at++
			if p.text[p.at] != '\'' {
				inJSON = append(inJSON, '\\')
			}
			inJSON = append(inJSON, p.text[p.at])
		case c == '"':
			inJSON = append(inJSON, '\\', '"')
		default:
			inJSON = append(inJSON, c)
		}
	}
	if !p.take(string(quote)) {
		p.fail("a closing quote")
		return ""
	}
	var s string
	if err := json.Unmarshal(append(inJSON, '"'), &s); err != nil && p.err == nil {
		p.err = fmt.Errorf("text in quotes at byte %d: %w", begin, err)
	}
	return s
}

// either reads conditions with || between them, which binds weaker than &&.
func (p *pathParser) either() condition {
	parts := either{p.both()}
	for p.blank(); p.take("||"); p.blank() {
		parts = append(parts, p.both())
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return parts
}

func (p *pathParser) both() condition {
	parts := both{p.condition()}
	for p.blank(); p.take("&&"); p.blank() {
		parts = append(parts, p.condition())
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return parts
}

// condition reads a negation, parentheses, a comparison, or a path that has to find something.
func (p *pathParser) condition() condition {
	p.blank()
	negative := false
	for p.more() && p.text[p.at] == '!' {
		p.at++
		negative = !negative
		p.blank()
	}
	var c condition
	if p.take("(") {
		closed := p.deeper()
		c = p.either()
		p.need(")")
		closed()
	} else {
		c = p.comparison(negative)
	}
	if negative {
		c = negated{c}
	}
	return c
}

// comparison reads a comparison, or a path alone.
func (p *pathParser) comparison(negative bool) condition {
	begin := p.at
	left := p.operand()
	p.blank()
	for _, operator := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		if negative || !p.take(operator) {
			continue
		}
		p.blank()
		c := comparison{left, p.operand(), operator}
		for _, o := range []operand{c.left, c.right} {
			if p.err == nil && o.path != nil && !o.path.single() {
				p.err = fmt.Errorf("the comparison at byte %d has a path that may find several values: "+
					`ask for them with a filter of their own, as in "@.list[?@ == 1]"`, begin)
			}
		}
		return c
	}
	if left.path == nil {
		p.fail("a comparison, or a path that begins with @ or $,")
		return negated{}
	}
	return left.path
}

// operand reads a literal, or a path that begins with @ or $.
func (p *pathParser) operand() operand {
	if !p.more() {
		p.fail("an operand")
		return operand{}
	}
	switch c := p.text[p.at]; {
	case p.take("@"), p.take("$"):
		return operand{path: &subpath{absolute: c == '$', segments: p.segments()}}
	case c == '\'' || c == '"':
		return operand{literal: row.String(p.quoted())}
	}
	begin := p.at
	for p.more() && strings.IndexByte(" \t\r\n.[]()'\",?*@$=!<>&|:", p.text[p.at]) < 0 || p.more() && p.text[p.at] == '.' {
		p.at++
	}
	var v row.Value
	if text := p.text[begin:p.at]; p.err == nil && (text == "" || v.UnmarshalJSON([]byte(text)) != nil) {
		p.at = begin
		p.fail("a number, a text in quotes, true, false, null, or a path that begins with @ or $,")
	}
	return operand{literal: v}
}
