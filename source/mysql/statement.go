package mysql

import (
	"slices"
	"strings"
)

// effect is what a statement of the log does to the rows of tables, without a change of each row in the log.
type effect int

const (
	noEffect effect = iota
	truncates
	loses // the rows are gone, or others than the log says
)

// effectOf looks at a statement of the log: of which tables it changes rows without saying which. schema is the database that the statement was made in.
// Whatever is written as a name counts as one, so it rather sees too much than too little.
func effectOf(statement, schema string, tables []*table) (effect, *table) {
	tokens := tokenize(statement)
	word := func(i int) string {
		if i < len(tokens) && !tokens[i].quoted {
			return strings.ToUpper(tokens[i].text)
		}
		return ""
	}
	skip := func(i int, words ...string) int {
		for slices.Contains(words, word(i)) {
			i++
		}
		return i
	}
	// named returns the table of the name at a token, and the token behind the name.
	named := func(i int) (*table, int) {
		if i >= len(tokens) {
			return nil, i
		}
		in, name := schema, tokens[i].text
		if i++; word(i) == "." && i+1 < len(tokens) {
			in, name = name, tokens[i+1].text
			i += 2
		}
		for _, t := range tables {
			if strings.EqualFold(t.schema, in) && strings.EqualFold(t.name, name) {
				return t, i
			}
		}
		return nil, i
	}
	anyNamed := func(i int) *table {
		for i < len(tokens) {
			var t *table
			if t, i = named(i); t != nil {
				return t
			}
		}
		return nil
	}
	lost := func(t *table) (effect, *table) {
		if t == nil {
			return noEffect, nil
		}
		return loses, t
	}
	switch word(0) {
	case "TRUNCATE":
		if t, _ := named(skip(1, "TABLE")); t != nil {
			return truncates, t
		}
	case "DROP":
		switch {
		case word(1) == "TABLE" || word(1) == "TABLES":
			return lost(anyNamed(2))
		case word(1) == "DATABASE" || word(1) == "SCHEMA":
			if i := skip(2, "IF", "EXISTS"); i < len(tokens) {
				for _, t := range tables {
					if strings.EqualFold(t.schema, tokens[i].text) {
						return loses, t
					}
				}
			}
		}
	case "CREATE":
		if word(1) == "OR" && word(3) == "TABLE" {
			t, _ := named(skip(4, "IF", "NOT", "EXISTS"))
			return lost(t)
		}
	case "RENAME":
		return lost(anyNamed(1))
	case "ALTER":
		i := skip(1, "ONLINE", "IGNORE")
		if word(i) != "TABLE" {
			break
		}
		t, rest := named(skip(i+1, "IF", "EXISTS"))
		for j := rest; j < len(tokens); j++ {
			switch word(j) {
			case "RENAME":
				if !slices.Contains([]string{"COLUMN", "INDEX", "KEY"}, word(j+1)) && t != nil {
					return loses, t
				}
			case "DROP", "TRUNCATE", "DISCARD", "IMPORT", "CONVERT":
				if (word(j+1) == "PARTITION" || word(j+1) == "TABLESPACE" || word(j+1) == "TABLE") && t != nil {
					return loses, t
				}
			case "EXCHANGE": // PARTITION name WITH TABLE name
				if t != nil {
					return loses, t
				}
				return lost(anyNamed(j))
			}
		}
	case "INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "WITH", "CALL", "DO", "SELECT":
		return lost(anyNamed(1))
	}
	return noEffect, nil
}

// token is a word, a name in quotes, or a sign. Texts are left out.
type token struct {
	text   string
	quoted bool
}

// tokenize divides a statement. The content of comments that servers run (/*! and /*M!) counts.
func tokenize(s string) (tokens []token) {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case strings.HasPrefix(s[i:], "/*!"), strings.HasPrefix(s[i:], "/*M!"):
			i = i + strings.IndexByte(s[i:], '!') + 1
			for i < len(s) && s[i] >= '0' && s[i] <= '9' {
				i++
			}
		case strings.HasPrefix(s[i:], "/*"):
			i = behindText(s, i+2, "*/")
		case strings.HasPrefix(s[i:], "*/"):
			i += 2
		case c == '#', strings.HasPrefix(s[i:], "-- "), strings.HasPrefix(s[i:], "--\n"), strings.HasPrefix(s[i:], "--\t"):
			i = behindText(s, i, "\n")
		case c == '\'':
			i = behindQuote(s, i, true)
		case c == '`' || c == '"':
			end := behindQuote(s, i, c == '"')
			name := strings.TrimSuffix(s[i+1:end], string(c))
			tokens = append(tokens, token{strings.ReplaceAll(name, string([]byte{c, c}), string(c)), true})
			i = end
		case isWord(c):
			begin := i
			for i < len(s) && isWord(s[i]) {
				i++
			}
			tokens = append(tokens, token{text: s[begin:i]})
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		default:
			tokens = append(tokens, token{text: s[i : i+1]})
			i++
		}
	}
	return tokens
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func behindText(s string, i int, end string) int {
	if n := strings.Index(s[i:], end); n >= 0 {
		return i + n + len(end)
	}
	return len(s)
}

// behindQuote returns the place behind a text or a name in quotes, which begins at i. Two quotes stand for one, and a backslash in a text for the next character.
func behindQuote(s string, i int, backslashes bool) int {
	quote := s[i]
	for i++; i < len(s); i++ {
		switch {
		case backslashes && s[i] == '\\':
			i++
		case s[i] == quote:
			if i+1 >= len(s) || s[i+1] != quote {
				return i + 1
			}
			i++
		}
	}
	return len(s)
}
