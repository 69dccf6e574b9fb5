package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/source"
)

// New returns a source that reads the rows of tables and then their changes. It cannot be divided: it has one split. Connect reports mistakes
// in the options.
func New[K, V any](o Options[K, V]) source.Source[K, V] {
	d := &database[K, V]{}
	d.address, d.wrong = o.check()
	if o.Record == nil {
		o.Record = tableRecord[K, V]()
	}
	d.options = o
	return d
}

type database[K, V any] struct {
	options Options[K, V]
	address address
	wrong   error // with the options
	tables  []*table

	flavor string // of go-mysql: "mysql" or "mariadb"
	server string // its identity
	byGTID bool   // whether the log has global transaction identifiers
	// charsets are the character sets of collations, by their numbers.
	charsets map[uint64]string
	// positionsOnly and lock are set by tests, to read MariaDB as servers are read that lack its abilities.
	positionsOnly, lock bool
}

// Slots implements [source.Slotted].
func (*database[K, V]) Slots() int32 { return 1 }

// Splits implements [source.Source].
func (d *database[K, V]) Splits(context.Context, func(string) bool) ([]source.Split, error) {
	if d.options.SnapshotOnly {
		return []source.Split{{ID: "snapshot of " + strings.Join(d.options.Tables, ", ")}}, nil
	}
	return []source.Split{{ID: "log"}}, nil
}

// Close implements [source.Source].
func (*database[K, V]) Close(context.Context) error { return nil }

// Connect implements [source.Source]: it looks at the settings of the server, the tables and the permissions of the user.
func (d *database[K, V]) Connect(ctx context.Context) (err error) {
	if d.wrong != nil {
		return fmt.Errorf("MySQL source: %w: %w", weir.ErrConfiguration, d.wrong)
	}
	c, err := d.open(ctx)
	if err != nil {
		return fmt.Errorf("MySQL source: %w", err)
	}
	defer c.Close()
	if err := d.look(ctx, c); err != nil {
		return fmt.Errorf("MySQL source: %w", err)
	}
	if d.options.SnapshotOnly {
		return nil
	}
	if err := errors.Join(d.settings(ctx, c), d.logged(ctx, c)); err != nil {
		return fmt.Errorf("MySQL source: %w", err)
	}
	if err := d.tryLog(ctx, c); err != nil {
		return fmt.Errorf("MySQL source: %w", err)
	}
	return nil
}

// look finds out about the server and its tables.
func (d *database[K, V]) look(ctx context.Context, c *connection) error {
	d.flavor = mysql.MySQLFlavor
	collations := "SELECT id, character_set_name FROM information_schema.collations WHERE id IS NOT NULL"
	if strings.Contains(c.GetServerVersion(), "MariaDB") {
		d.flavor = mysql.MariaDBFlavor
	}
	sets, err := c.pairs(ctx, collations)
	if err == nil && d.flavor == mysql.MariaDBFlavor {
		var more map[string]string // those of MariaDB 10.10 and later, whose names are of several character sets
		if more, err = c.pairs(ctx, "SELECT * FROM information_schema.columns WHERE table_schema = 'information_schema' AND table_name = 'COLLATION_CHARACTER_SET_APPLICABILITY' AND column_name = 'ID'"); err == nil && len(more) > 0 {
			if more, err = c.pairs(ctx, "SELECT id, character_set_name FROM information_schema.collation_character_set_applicability WHERE id IS NOT NULL"); err == nil {
				for id, name := range more {
					sets[id] = name
				}
			}
		}
	}
	if err != nil {
		return fmt.Errorf("ask for the character sets of the server: %w", err)
	}
	d.charsets = map[uint64]string{}
	for id, name := range sets {
		var n uint64
		if _, err := fmt.Sscan(id, &n); err != nil {
			return fmt.Errorf("collation %q of the server: %w", id, err)
		}
		d.charsets[n] = name
	}
	d.tables = nil
	for _, full := range d.options.Tables {
		t, err := d.lookAt(ctx, c, full)
		if err != nil {
			return err
		}
		d.tables = append(d.tables, t)
	}
	return nil
}

// settings refuses servers whose log lacks changes.
func (d *database[K, V]) settings(ctx context.Context, c *connection) error {
	s, err := c.pairs(ctx, `SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format', 'binlog_row_image', 'binlog_row_metadata', 'binlog_row_value_options',
		'gtid_mode', 'server_uuid', 'server_id', 'log_slave_updates', 'log_replica_updates')`)
	if err != nil {
		return fmt.Errorf("ask for the settings of the server: %w", err)
	}
	var wrong []error
	need := func(name, want, reason string) {
		if got := s[name]; !strings.EqualFold(got, want) {
			wrong = append(wrong, fmt.Errorf("%s of the server is %q, and the source needs %q: %s", name, got, want, reason))
		}
	}
	if !strings.EqualFold(s["log_bin"], "ON") {
		return errors.New("the server writes no log of changes: start it with the option log_bin, and a server_id")
	}
	need("binlog_format", "ROW", "other formats have statements in place of rows. SET GLOBAL binlog_format = 'ROW', and let clients connect again")
	need("binlog_row_image", "FULL", "other images lack columns that a change leaves alone. SET GLOBAL binlog_row_image = 'FULL', and let clients connect again")
	need("binlog_row_metadata", "FULL", "rows of the log have no names of columns otherwise (MySQL 8.0.1, MariaDB 10.5). SET GLOBAL binlog_row_metadata = 'FULL'")
	if s["binlog_row_value_options"] != "" {
		need("binlog_row_value_options", "", "parts of JSON documents are not enough to know their rows. SET GLOBAL binlog_row_value_options = '', and let clients connect again")
	}
	running, err := c.pairs(ctx, "SHOW GLOBAL STATUS WHERE Variable_name IN ('Slaves_running', 'Slave_running')")
	if err != nil {
		return fmt.Errorf("ask for the status of the server: %w", err)
	}
	if strings.EqualFold(s["log_slave_updates"], "OFF") && (running["slaves_running"] > "0" || strings.EqualFold(running["slave_running"], "ON")) {
		wrong = append(wrong, errors.New("the server is a replica with log_slave_updates = OFF, whose log lacks the changes of its source: start it with log_slave_updates, or read the source"))
	}
	d.server = "server_id " + s["server_id"]
	if s["server_uuid"] != "" {
		d.server = s["server_uuid"]
	}
	d.byGTID = (d.flavor == mysql.MariaDBFlavor || strings.EqualFold(s["gtid_mode"], "ON")) && !d.positionsOnly
	return errors.Join(wrong...)
}

// logged refuses servers that leave the databases of the tables out of the log.
func (d *database[K, V]) logged(ctx context.Context, c *connection) error {
	status, err := d.logStatus(ctx, c)
	if err != nil {
		return err
	}
	only, but := status.databases, status.ignored
	for _, t := range d.tables {
		if len(only) > 0 && !slices.Contains(only, t.schema) || slices.Contains(but, t.schema) {
			return fmt.Errorf("the server leaves changes of database %q out of its log (binlog_do_db, binlog_ignore_db)", t.schema)
		}
	}
	return nil
}

// logStatus is the end of the log.
type logStatus struct {
	file               string
	pos                uint32
	gtids              string // executed ones, of MySQL
	databases, ignored []string
}

// logStatus asks for the end of the log.
func (d *database[K, V]) logStatus(ctx context.Context, c *connection) (s logStatus, err error) {
	result, err := c.query(ctx, "SHOW MASTER STATUS")
	if e, ok := errors.AsType[*mysql.MyError](err); ok && e.Code == mysql.ER_PARSE_ERROR { // MySQL 8.4 and later
		result, err = c.query(ctx, "SHOW BINARY LOG STATUS")
	}
	if err != nil {
		return s, fmt.Errorf("ask for the end of the log (GRANT REPLICATION CLIENT ON *.* TO the user): %w", err)
	}
	if result.RowNumber() == 0 {
		return s, errors.New("the server writes no log of changes: start it with the option log_bin, and a server_id")
	}
	text := func(name string) string {
		if _, err := result.NameIndex(name); err != nil {
			return "" // a column that this server does not have
		}
		v, wrong := result.GetStringByName(0, name)
		err = errors.Join(err, wrong)
		return v
	}
	s.file, s.gtids = text("File"), strings.ReplaceAll(text("Executed_Gtid_Set"), "\n", "")
	pos, wrong := result.GetUintByName(0, "Position")
	s.pos = uint32(pos)
	s.databases, s.ignored = list(text("Binlog_Do_DB")), list(text("Binlog_Ignore_DB"))
	return s, errors.Join(err, wrong)
}

func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
}

// end returns the end of the log.
func (d *database[K, V]) end(ctx context.Context, c *connection) (at place, err error) {
	s, err := d.logStatus(ctx, c)
	if err != nil {
		return at, err
	}
	return d.placeOf(ctx, c, s.file, s.pos, s.gtids)
}

// placeOf returns a place in the log. gtids are the identifiers before it, as MySQL says them; MariaDB is asked.
func (d *database[K, V]) placeOf(ctx context.Context, c *connection, file string, pos uint32, gtids string) (place, error) {
	at := place{File: file, Pos: pos}
	if !d.byGTID {
		return at, nil
	}
	if at.GTID = gtids; d.flavor != mysql.MariaDBFlavor {
		return at, nil
	}
	result, err := c.query(ctx, "SELECT BINLOG_GTID_POS(?, ?)", file, pos)
	if err != nil {
		return at, fmt.Errorf("ask for the global transaction identifiers at %s:%d: %w", file, pos, err)
	}
	if missing, err := result.IsNull(0, 0); err != nil || missing {
		return at, errors.Join(fmt.Errorf("the server does not know the global transaction identifiers at %s:%d of its log", file, pos), err)
	}
	at.GTID, err = result.GetString(0, 0)
	return at, err
}

// tableRecord returns the default of Options.Record.
func tableRecord[K, V any]() func(Change, func(weir.Record[K, V])) error {
	records := connector.ChangeRecords[K, V]()
	return func(c Change, emit func(weir.Record[K, V])) error {
		if c.Op == Truncate {
			return fmt.Errorf("table %s.%s was truncated, which is no change of a row: handle it in Options.Record", c.Schema, c.Table)
		}
		return records(c.Key, c.Before, c.After, c.Time.UnixMilli(), emit)
	}
}
