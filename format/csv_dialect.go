package format

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Dialect is how cells of a CSV file are separated and quoted. The zero value is Excel's, and that of RFC 4180.
type Dialect struct {
	// Comma separates cells. 0 means a comma.
	Comma byte
	// Quote encloses cells, and is doubled within. 0 means ".
	Quote byte
	// QuoteAll quotes every cell that is not null. Without it only cells that need it are quoted.
	QuoteAll bool
	// LF ends lines with a line feed, without a carriage return before it. Both are read.
	LF bool
	// Null is the text of a null, never quoted. The empty Null is the default: an empty cell is null, and "" is an empty text.
	Null string
}

// Excel is the dialect of Excel: commas, quotes where they are needed, lines that end in CR LF.
func Excel() Dialect { return Dialect{} }

// ExcelTab is Excel with tabs instead of commas.
func ExcelTab() Dialect { return Dialect{Comma: '\t'} }

// Unix quotes every cell and ends lines with LF.
func Unix() Dialect { return Dialect{QuoteAll: true, LF: true} }

func (d Dialect) withDefaults() Dialect {
	if d.Comma == 0 {
		d.Comma = ','
	}
	if d.Quote == 0 {
		d.Quote = '"'
	}
	return d
}

// Check reports settings that contradict each other.
func (d Dialect) Check() error {
	d = d.withDefaults()
	for _, c := range []byte{d.Comma, d.Quote} {
		if c >= 0x80 || c == '\n' || c == '\r' {
			return fmt.Errorf("CSV: %q cannot separate or quote cells", c)
		}
	}
	if d.Comma == d.Quote {
		return fmt.Errorf("CSV: Comma and Quote are both %q", d.Comma)
	}
	if strings.IndexByte(d.Null, d.Comma) >= 0 || strings.IndexByte(d.Null, d.Quote) >= 0 || strings.ContainsAny(d.Null, "\r\n") {
		return fmt.Errorf("CSV: Null %q has a separator or a quote", d.Null)
	}
	return nil
}

// cell is a cell of a line that was read. Its text is valid until the next line.
type cell struct {
	text []byte
	null bool
}

// end makes a cell of the text that was appended to a line since begin. alone says that it is the only one of the line.
func (d *Dialect) end(line []byte, begin int, null, alone bool) []byte {
	switch {
	case null && d.Null == "" && alone: // an empty line is passed over
		return append(line, d.Comma)
	case null:
		return append(line, d.Null...)
	case d.quoted(line[begin:]), len(line) == begin && alone:
		return d.quote(line, begin)
	}
	return line
}

// quote puts the text since begin into quotes, and doubles those within.
func (d *Dialect) quote(line []byte, begin int) []byte {
	from := len(line)
	line = append(line, make([]byte, 2+bytes.Count(line[begin:], []byte{d.Quote}))...)
	to := len(line) - 1
	line[to] = d.Quote
	for from--; from >= begin; from-- {
		to--
		if line[to] = line[from]; line[from] == d.Quote {
			to--
			line[to] = d.Quote
		}
	}
	line[begin] = d.Quote
	return line
}

func (d *Dialect) endLine(line []byte) []byte {
	if !d.LF {
		line = append(line, '\r')
	}
	return append(line, '\n')
}

// appendHeader appends the line with the names of columns.
func (d *Dialect) appendHeader(line []byte, columns []Column) []byte {
	for i := range columns {
		if i > 0 {
			line = append(line, d.Comma)
		}
		begin := len(line)
		line = d.end(append(line, columns[i].Name...), begin, false, len(columns) == 1)
	}
	return d.endLine(line)
}

func (d *Dialect) quoted(text []byte) bool {
	if d.QuoteAll || string(text) == d.Null {
		return true
	}
	for _, c := range text {
		if c == d.Comma || c == d.Quote || c == '\n' || c == '\r' {
			return true
		}
	}
	// Readers drop a byte order mark at the beginning of a file.
	return bytes.HasPrefix(text, byteOrderMark)
}

var (
	errQuoteInside = errors.New("a quote in a cell that does not begin with one")
	errAfterQuote  = errors.New("text after the closing quote of a cell")
	errOpenQuote   = errors.New("the file ends within quotes")
)

// cells reads one record of a CSV file. It returns no cells for an empty line. The cells are valid until the next call.
func (d *Dialect) cells(l *lineReader, into []cell) ([]cell, error) {
	into = into[:0]
	line, err := l.line()
	if err != nil {
		return nil, err
	}
	content := trimEnd(line)
	if len(content) == 0 {
		return into, nil
	}
	for {
		if len(content) == 0 || content[0] != d.Quote {
			end := 0
			for end < len(content) && content[end] != d.Comma {
				if content[end] == d.Quote {
					return nil, l.fail(false, fmt.Errorf("cell %d: %w", len(into)+1, errQuoteInside))
				}
				end++
			}
			into = append(into, cell{text: content[:end], null: string(content[:end]) == d.Null})
			if end == len(content) {
				return into, nil
			}
			content = content[end+1:]
			continue
		}
		var text []byte
		content = content[1:]
		whole := line[len(line)-len(content)-lineEnd(line):] // with the line end, which is part of the text within quotes
		for {
			i := 0
			for i < len(whole) && whole[i] != d.Quote {
				i++
			}
			text = append(text, whole[:i]...)
			if i == len(whole) {
				if line, err = l.line(); errors.Is(err, io.EOF) {
					return nil, l.fail(true, fmt.Errorf("cell %d: %w", len(into)+1, errOpenQuote))
				} else if err != nil {
					return nil, err
				}
				whole = line
				continue
			}
			whole = whole[i+1:]
			if len(whole) > 0 && whole[0] == d.Quote {
				text = append(text, d.Quote)
				whole = whole[1:]
				continue
			}
			break
		}
		into = append(into, cell{text: text})
		content = trimEnd(whole)
		if len(content) == 0 {
			return into, nil
		}
		if content[0] != d.Comma {
			return nil, l.fail(false, fmt.Errorf("cell %d: %w", len(into), errAfterQuote))
		}
		content = content[1:]
	}
}

func trimEnd(line []byte) []byte { return line[:len(line)-lineEnd(line)] }

// lineEnd is the length of the line end of a line.
func lineEnd(line []byte) int {
	n := len(line)
	switch {
	case n >= 2 && line[n-2] == '\r' && line[n-1] == '\n':
		return 2
	case n >= 1 && line[n-1] == '\n':
		return 1
	}
	return 0
}
