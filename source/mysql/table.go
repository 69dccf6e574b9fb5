package mysql

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
)

// table is a table that is read.
type table struct {
	schema, name string
	columns      []column
	key          []column // in the order of the primary key
	keyNames     []string
	// json are the columns of MariaDB that have the type JSON, which is a text with a constraint there.
	json map[string]bool
}

func (t *table) String() string { return quote(t.schema) + "." + quote(t.name) }

// lookAt reads the definition of a table, and finds out whether it can be read exactly.
func (d *database[K, V]) lookAt(ctx context.Context, c *connection, full string) (*table, error) {
	t := &table{json: map[string]bool{}}
	t.schema, t.name, _ = strings.Cut(full, ".")
	failed := func(err error) (*table, error) { return nil, fmt.Errorf("look at table %s: %w", t, err) }
	// The names are compared as bytes, as names of tables on most servers.
	result, err := c.query(ctx, "SELECT table_type, coalesce(engine, '') FROM information_schema.tables WHERE table_schema = ? AND table_name = ? AND BINARY table_schema = ? AND BINARY table_name = ?",
		t.schema, t.name, t.schema, t.name)
	if err != nil {
		return failed(err)
	}
	if result.RowNumber() == 0 {
		return nil, fmt.Errorf("table %s does not exist, or the user may not see it: GRANT SELECT ON %s TO the user. Names are compared with their case", t, t)
	}
	kind, _ := result.GetString(0, 0)
	engine, _ := result.GetString(0, 1)
	switch {
	case kind != "BASE TABLE":
		return nil, fmt.Errorf("%s is a %s, and no plain table", t, strings.ToLower(kind))
	case !strings.EqualFold(engine, "InnoDB"):
		return nil, fmt.Errorf("table %s has the engine %s, which has no snapshots: ALTER TABLE %s ENGINE = InnoDB", t, engine, t)
	}
	if err := d.readColumns(ctx, c, t); err != nil {
		return nil, err
	}
	if len(t.key) == 0 {
		return nil, fmt.Errorf("table %s has no primary key, which names its rows", t)
	}
	if _, err := c.query(ctx, fmt.Sprintf("SELECT %s FROM %s LIMIT 0", quotedNames(t.columns), t)); err != nil {
		return nil, fmt.Errorf("the user may not read table %s: %w", t, err)
	}
	if d.options.SnapshotOnly {
		return t, nil
	}
	cascading, err := c.pairs(ctx, `SELECT constraint_name, concat('ON DELETE ', delete_rule, ' ON UPDATE ', update_rule) FROM information_schema.referential_constraints
		WHERE constraint_schema = ? AND table_name = ? AND NOT (delete_rule IN ('RESTRICT', 'NO ACTION') AND update_rule IN ('RESTRICT', 'NO ACTION'))`, t.schema, t.name)
	if err != nil {
		return failed(err)
	}
	for name, rules := range cascading {
		return nil, fmt.Errorf("table %s has the foreign key %q with %s: the server changes its rows then without a word in the log. Use RESTRICT, and change them by statements", t, name, rules)
	}
	return t, nil
}

// readColumns reads the columns of a table.
func (d *database[K, V]) readColumns(ctx context.Context, c *connection, t *table) error {
	if d.flavor == flavorMariaDB {
		checks, err := c.query(ctx, "SELECT constraint_name, check_clause FROM information_schema.check_constraints WHERE constraint_schema = ? AND table_name = ?", t.schema, t.name)
		if err != nil {
			return fmt.Errorf("look at the constraints of table %s: %w", t, err)
		}
		for i := range checks.RowNumber() {
			name, _ := checks.GetString(i, 0)
			clause, _ := checks.GetString(i, 1)
			t.json[name] = clause == "json_valid("+quote(name)+")"
		}
	}
	result, err := c.query(ctx, `SELECT c.column_name, c.data_type, c.column_type, coalesce(c.character_set_name, ''), coalesce(c.collation_name, ''), coalesce(k.ordinal_position, 0)
		FROM information_schema.columns c LEFT JOIN information_schema.key_column_usage k ON k.constraint_name = 'PRIMARY' AND k.table_schema = c.table_schema
		AND k.table_name = c.table_name AND k.column_name = c.column_name WHERE c.table_schema = ? AND c.table_name = ? ORDER BY c.ordinal_position`, t.schema, t.name)
	if err != nil {
		return fmt.Errorf("look at the columns of table %s: %w", t, err)
	}
	t.columns, t.key = nil, nil
	order := map[string]uint64{}
	for i := range result.RowNumber() {
		var texts [5]string
		for j := range texts {
			if texts[j], err = result.GetString(i, j); err != nil {
				return fmt.Errorf("look at the columns of table %s: %w", t, err)
			}
		}
		col := column{name: texts[0], charset: texts[3], collation: texts[4], json: t.json[texts[0]]}
		var known bool
		if col.kind, known = kinds[strings.ToLower(texts[1])]; !known || strings.Contains(texts[2], "COMPRESSED") {
			return fmt.Errorf("table %s: the source does not know columns such as %q of type %s, whose form in the log is one of their own", t, col.name, texts[2])
		}
		if _, ok := decoders[col.charset]; !ok && col.charset != "" {
			return fmt.Errorf("table %s: column %q has the character set %s, which the source cannot read in the log: ALTER TABLE %s MODIFY the column to utf8mb4", t, col.name, col.charset, t)
		}
		t.columns = append(t.columns, col)
		position, err := result.GetUint(i, 5)
		if err != nil {
			return fmt.Errorf("look at the columns of table %s: %w", t, err)
		}
		if position == 0 {
			continue
		}
		if !col.kind.orders() {
			return fmt.Errorf("table %s: the key has column %q of type %s. The source needs keys of integers, decimals, texts, binaries or dates, whose order it knows", t, col.name, texts[2])
		}
		order[col.name] = position
		t.key = append(t.key, col)
	}
	slices.SortFunc(t.key, func(a, b column) int { return cmp.Compare(order[a.name], order[b.name]) })
	t.keyNames = nil
	for _, c := range t.key {
		t.keyNames = append(t.keyNames, c.name)
	}
	return nil
}

func quotedNames(columns []column) string {
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = quote(c.name)
	}
	return strings.Join(quoted, ", ")
}

// keyTexts returns the key of a row as texts.
func (t *table) keyTexts(key row.Row) ([]string, error) {
	texts := make([]string, 0, len(t.key))
	for name, v := range key.All() {
		if v.IsNull() {
			return nil, fmt.Errorf("column %q of the key has a date of zeros, which is read as null and cannot name a row", name)
		}
		text, err := connector.ValueText(v)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// literal returns the text of a key's column for a statement, and an argument of the statement, or nil.
func (c *column) literal(text string) (string, any, error) {
	switch c.kind {
	case kindInteger, kindDecimal:
		if _, ok := new(big.Rat).SetString(text); !ok || strings.Trim(text, "+-.0123456789") != "" {
			return "", nil, fmt.Errorf("key %q is no number", text)
		}
		return text, nil, nil
	case kindBinary:
		raw, err := base64.StdEncoding.DecodeString(text)
		return "x'" + hex.EncodeToString(raw) + "'", nil, err
	case kindDatetime, kindTimestamp:
		text = strings.TrimSuffix(strings.Replace(text, "T", " ", 1), "Z")
	}
	return "?", text, nil
}

// behind returns the condition of rows behind a key, with its arguments. It is spelled out, because servers find no range in a comparison of several columns.
func (t *table) behind(after []string) (condition string, args []any, err error) {
	if len(after) != len(t.key) {
		return "", nil, fmt.Errorf("the primary key has %d columns, and had %d when the source began", len(t.key), len(after))
	}
	var parts []string
	var equal string
	var equalArgs []any
	for i := range t.key {
		text, arg, err := t.key[i].literal(after[i])
		if err != nil {
			return "", nil, fmt.Errorf("key %v of table %s: %w", after, t, err)
		}
		name := quote(t.key[i].name)
		parts = append(parts, "("+equal+name+" > "+text+")")
		args = append(args, equalArgs...)
		equal += name + " = " + text + " AND "
		if arg != nil {
			args = append(args, arg)
			equalArgs = append(equalArgs, arg)
		}
	}
	return strings.Join(parts, " OR "), args, nil
}

// compare compares two keys in the order of the primary key.
func (t *table) compare(ctx context.Context, c *connection, a, b []string) (int, error) {
	if len(a) != len(t.key) || len(b) != len(t.key) {
		return 0, fmt.Errorf("table %s has another primary key than before", t)
	}
	for i := range t.key {
		order, err := t.key[i].compare(ctx, c, a[i], b[i])
		if err != nil || order != 0 {
			return order, err
		}
	}
	return 0, nil
}

func (c *column) compare(ctx context.Context, conn *connection, a, b string) (int, error) {
	switch c.kind {
	case kindInteger, kindDecimal:
		x, isX := new(big.Rat).SetString(a)
		y, isY := new(big.Rat).SetString(b)
		if !isX || !isY {
			return 0, fmt.Errorf("keys %q and %q are no numbers", a, b)
		}
		return x.Cmp(y), nil
	case kindBinary:
		x, err := base64.StdEncoding.DecodeString(a)
		y, other := base64.StdEncoding.DecodeString(b)
		return slices.Compare(x, y), errors.Join(err, other)
	case kindText: // the order is that of the server
		convert := fmt.Sprintf("CONVERT(? USING %s) COLLATE %s", c.charset, c.collation)
		result, err := conn.query(ctx, "SELECT STRCMP("+convert+", "+convert+")", a, b)
		if err != nil {
			return 0, fmt.Errorf("compare keys: %w", err)
		}
		order, err := result.GetInt(0, 0)
		return int(order), err
	}
	return strings.Compare(strings.TrimSuffix(a, "Z"), strings.TrimSuffix(b, "Z")), nil // dates
}
