package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/mattn/go-isatty"
)

// Colours of terminals (ECMA-48).
const (
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	plain  = "\x1b[0m"
)

// terminal tells whether a stream is a terminal.
func terminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}

// paint colours a text for a terminal, unless NO_COLOR is set (no-color.org) or the terminal knows no colours.
func (s *Session) paint(to io.Writer, colour, text string) string {
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" || !terminal(to) {
		return text
	}
	return colour + text + plain
}

// PrintJSON writes a value as indented JSON.
func (s *Session) PrintJSON(value any) error {
	encoder := json.NewEncoder(s.Out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// printTable writes rows below headings. Columns are as wide as their cells.
func (s *Session) printTable(headings []string, rows [][]string) error {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{headings}, rows...) {
		for i, cell := range row {
			row[i] = printable(cell)
		}
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for i, line := range strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n") {
		line = strings.TrimRight(line, " ")
		if i == 0 {
			line = s.paint(s.Out, bold, line)
		}
		if _, err := fmt.Fprintln(s.Out, line); err != nil {
			return err
		}
	}
	return nil
}

// printable replaces characters that would disturb a terminal or the columns of a table: data of topics may hold any.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\u00b7'
	}, text)
}

// confirm asks whether to go on, on the terminal. Without a terminal it refuses, and names the flag that says yes.
func (s *Session) confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	if !terminal(s.In) {
		return &exit{Refused, fmt.Errorf("nothing was changed: the standard input is no terminal to ask on; give --yes to go on without a question")}
	}
	fmt.Fprintf(s.Err, "%s [y/N] ", s.paint(s.Err, yellow, question))
	answer, err := bufio.NewReader(s.In).ReadString('\n')
	if err != nil && answer == "" {
		return &exit{Refused, fmt.Errorf("nothing was changed: no answer: %w", err)}
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return &exit{Refused, fmt.Errorf("nothing was changed")}
}

// progress shows how far a long work is, in one line of a terminal. On anything else it shows nothing.
type progress struct {
	to    io.Writer
	what  string
	total int64
	shown time.Time
	drawn bool
}

func (s *Session) progress(what string, total int64) *progress {
	p := &progress{what: what, total: total, shown: time.Now()}
	if terminal(s.Err) {
		p.to = s.Err
	}
	return p
}

// update draws the line at most every 100 ms.
func (p *progress) update(done int64) {
	if p.to == nil || time.Since(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown, p.drawn = time.Now(), true
	if p.total > 0 {
		fmt.Fprintf(p.to, "\r\x1b[K%s: %d of %d (%d %%)", p.what, done, p.total, 100*done/p.total)
		return
	}
	fmt.Fprintf(p.to, "\r\x1b[K%s: %d", p.what, done)
}

// end removes the line.
func (p *progress) end() {
	if p.drawn {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
}

// count returns a number with its noun.
func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
