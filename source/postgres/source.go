package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/source"
)

// New returns a source that reads the rows of tables and then their changes. It cannot be divided: it has one split. Connect reports mistakes
// in the options.
func New[K, V any](o Options[K, V]) source.Source[K, V] {
	d := &database[K, V]{wrong: o.check()}
	if o.Record == nil {
		o.Record = tableRecord[K, V]()
	}
	d.options = o
	return d
}

type database[K, V any] struct {
	options Options[K, V]
	wrong   error // with the options
	tables  []*table
}

// table is a table that is read.
type table struct {
	schema, name string
	key          []string // in the order of the primary key
	types        []string // of the key
}

func (t *table) String() string { return pgx.Identifier{t.schema, t.name}.Sanitize() }

// Slots implements [source.Slotted].
func (*database[K, V]) Slots() int32 { return 1 }

// Splits implements [source.Source].
func (d *database[K, V]) Splits(context.Context, func(string) bool) ([]source.Split, error) {
	id := d.options.Slot
	if d.options.SnapshotOnly {
		id = "snapshot of " + strings.Join(d.options.Tables, ", ")
	}
	return []source.Split{{ID: id}}, nil
}

// Close implements [source.Source].
func (*database[K, V]) Close(context.Context) error { return nil }

// open makes a connection, for replication or for queries.
func (d *database[K, V]) open(ctx context.Context, replication bool) (*pgx.Conn, error) {
	c, err := pgx.ParseConfig(d.options.URL.Reveal())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", weir.ErrConfiguration, err)
	}
	c.ConnectTimeout = d.options.ConnectTimeout
	maps.Copy(c.RuntimeParams, parameters)
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "weir"
	}
	if replication {
		c.RuntimeParams["replication"] = "database"
		c.RuntimeParams["wal_sender_timeout"] = "0" // the reader waits while the application is busy
	} else {
		c.RuntimeParams["idle_in_transaction_session_timeout"] = "0" // the snapshot waits while the application is busy
		c.RuntimeParams["statement_timeout"] = strconv.FormatInt(max(1, d.options.Timeout.Milliseconds()), 10)
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL database %q at %s: %w", c.Database, net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))), err)
	}
	return conn, nil
}

// Connect implements [source.Source]: it looks at the tables, the publication and the slot, and makes the publication.
func (d *database[K, V]) Connect(ctx context.Context) (err error) {
	if d.wrong != nil {
		return fmt.Errorf("PostgreSQL source: %w: %w", weir.ErrConfiguration, d.wrong)
	}
	conn, err := d.open(ctx, false)
	if err != nil {
		return fmt.Errorf("PostgreSQL source: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if d.tables, err = d.look(ctx, conn); err != nil {
		return fmt.Errorf("PostgreSQL source: %w", err)
	}
	if d.options.SnapshotOnly {
		return nil
	}
	var level string
	var replicates bool
	err = conn.QueryRow(ctx, "SELECT current_setting('wal_level'), (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user)").Scan(&level, &replicates)
	switch {
	case err != nil:
		return fmt.Errorf("PostgreSQL source: read the settings of the server: %w", err)
	case level != "logical":
		return fmt.Errorf("PostgreSQL source: wal_level of the server is %s, and changes need logical: ALTER SYSTEM SET wal_level = logical, and start the server again", level)
	case !replicates:
		return errors.New("PostgreSQL source: the user may not read the log: ALTER ROLE ... REPLICATION")
	}
	if _, err := d.published(ctx, conn); err != nil { // Open makes it if it is missing
		return fmt.Errorf("PostgreSQL source: %w", err)
	}
	if _, err := d.findSlot(ctx, conn); err != nil {
		return fmt.Errorf("PostgreSQL source: %w", err)
	}
	return nil
}

// look reads the keys of the tables, and finds those that cannot be read exactly.
func (d *database[K, V]) look(ctx context.Context, conn *pgx.Conn) (tables []*table, err error) {
	for _, full := range d.options.Tables {
		t := &table{}
		t.schema, t.name, _ = strings.Cut(full, ".")
		var exists bool
		var identity string
		var long []string
		err := conn.QueryRow(ctx, `SELECT c.oid IS NOT NULL, coalesce(c.relreplident::text, ''), ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0
			AND NOT attisdropped AND attstorage <> 'p' AND NOT attnum = ANY(coalesce((SELECT indkey::int2[] FROM pg_index WHERE indrelid = c.oid AND indisprimary), '{}')) ORDER BY attnum)
			FROM (SELECT to_regclass($1) AS name) AS n LEFT JOIN pg_class c ON c.oid = n.name`, t.String()).Scan(&exists, &identity, &long)
		if err != nil {
			return nil, fmt.Errorf("look at table %s: %w", t, err)
		}
		if !exists {
			return nil, fmt.Errorf("table %s does not exist, or its schema is hidden from the user", t)
		}
		rows, err := conn.Query(ctx, `SELECT a.attname::text, format_type(a.atttypid, a.atttypmod) FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, n), pg_attribute a
			WHERE i.indrelid = to_regclass($1) AND i.indisprimary AND a.attrelid = i.indrelid AND a.attnum = k.attnum ORDER BY k.n`, t.String())
		if err != nil {
			return nil, fmt.Errorf("look at table %s: %w", t, err)
		}
		var column, kind string
		if _, err := pgx.ForEachRow(rows, []any{&column, &kind}, func() error {
			t.key, t.types = append(t.key, column), append(t.types, kind)
			return nil
		}); err != nil {
			return nil, fmt.Errorf("look at table %s: %w", t, err)
		}
		switch {
		case len(t.key) == 0:
			return nil, fmt.Errorf("table %s has no primary key, which names its rows", t)
		case d.options.SnapshotOnly:
		case identity == "n":
			return nil, fmt.Errorf("table %s has REPLICA IDENTITY NOTHING, so that its log does not say which row is changed: ALTER TABLE %s REPLICA IDENTITY DEFAULT", t, t)
		case identity == "i":
			return nil, fmt.Errorf("table %s has an index as REPLICA IDENTITY; the source needs the primary key: ALTER TABLE %s REPLICA IDENTITY DEFAULT, or FULL", t, t)
		case identity != "f" && len(long) > 0 && !d.options.OmitUnchanged:
			return nil, fmt.Errorf("table %s has columns of variable length (%s): the log lacks large values that an update has not changed. "+
				"ALTER TABLE %s REPLICA IDENTITY FULL, or set Options.OmitUnchanged", t, strings.Join(long, ", "), t)
		}
		tables = append(tables, t)
	}
	return tables, nil
}

// published reports whether the publication is there. It is an error if changes of the tables are not in it.
func (d *database[K, V]) published(ctx context.Context, conn *pgx.Conn) (found bool, err error) {
	name := pgx.Identifier{d.options.Publication}.Sanitize()
	rows, err := conn.Query(ctx, `SELECT t.schemaname::text || '.' || t.tablename::text, p.pubinsert AND p.pubupdate AND p.pubdelete, t.rowfilter IS NOT NULL
		FROM pg_publication p LEFT JOIN pg_publication_tables t ON t.pubname = p.pubname WHERE p.pubname = $1`, d.options.Publication)
	if err != nil {
		return false, fmt.Errorf("look at publication %s: %w", name, err)
	}
	var has []string
	var all, filtered bool
	var full *string
	var filter bool
	if _, err := pgx.ForEachRow(rows, []any{&full, &all, &filter}, func() error {
		found = true
		if full != nil {
			has = append(has, *full)
			filtered = filtered || filter && slices.Contains(d.options.Tables, *full)
		}
		return nil
	}); err != nil {
		return false, fmt.Errorf("look at publication %s: %w", name, err)
	}
	if !found {
		return false, nil
	}
	for _, t := range d.options.Tables {
		if !slices.Contains(has, t) {
			return true, fmt.Errorf("publication %s does not have table %s: ALTER PUBLICATION %s ADD TABLE. Rows that changed before are read by a new slot only", name, t, name)
		}
	}
	if !all || filtered {
		return true, fmt.Errorf("publication %s leaves changes out: it has a row filter, or does not publish insert, update and delete", name)
	}
	return true, nil
}

// publish makes the publication if it is missing, for a source that begins. Later the server has left changes out while there was none.
func (d *database[K, V]) publish(ctx context.Context, conn *pgx.Conn, begins bool) error {
	found, err := d.published(ctx, conn)
	switch {
	case found && err != nil:
		return connector.Permanent{Err: err}
	case found || err != nil:
		return err
	}
	name := pgx.Identifier{d.options.Publication}.Sanitize()
	if !begins {
		return connector.Permanent{Err: fmt.Errorf("%w: publication %s is gone, and the server has left changes out since. Use another Options.Name of the source, which begins with a snapshot",
			weir.ErrLostInput, name)}
	}
	var list []string
	for _, t := range d.tables {
		list = append(list, t.String())
	}
	_, err = conn.Exec(ctx, "CREATE PUBLICATION "+name+" FOR TABLE "+strings.Join(list, ", ")+" WITH (publish = 'insert, update, delete')")
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "42710" { // another process was quicker
		return nil
	}
	if err != nil {
		return fmt.Errorf("create publication %s (or let the owner of the tables do it): %w", name, err)
	}
	return nil
}

// slot is a replication slot.
type slot struct {
	confirmed string
	active    int32 // the process that reads it, or 0
}

// findSlot returns the slot, or nil if there is none.
func (d *database[K, V]) findSlot(ctx context.Context, conn *pgx.Conn) (*slot, error) {
	var s slot
	var plugin, status string
	var here bool
	err := conn.QueryRow(ctx, `SELECT coalesce(plugin::text, ''), coalesce(database = current_database(), false), coalesce(confirmed_flush_lsn::text, ''), coalesce(active_pid, 0),
		coalesce(wal_status, '') FROM pg_replication_slots WHERE slot_name = $1`, d.options.Slot).Scan(&plugin, &here, &s.confirmed, &s.active, &status)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look for slot %q: %w", d.options.Slot, err)
	case plugin != "pgoutput" || !here:
		return nil, connector.Permanent{Err: fmt.Errorf("slot %q is one of another program: it has the plugin %q, or is of another database", d.options.Slot, plugin)}
	case status == "lost":
		return nil, connector.Permanent{Err: fmt.Errorf("%w: slot %q: the server has deleted log that was not read (max_slot_wal_keep_size). Drop the slot, and use another "+
			"Options.Name of the source, which begins with a snapshot", weir.ErrLostInput, d.options.Slot)}
	}
	return &s, nil
}

// tableRecord returns the default of Options.Record.
func tableRecord[K, V any]() func(Change, func(weir.Record[K, V])) error {
	records := connector.ChangeRecords[K, V]()
	return func(c Change, emit func(weir.Record[K, V])) error {
		if c.Op == Truncate {
			return fmt.Errorf("table %s.%s was truncated, which is no change of a row: handle it in Options.Record, or leave truncate out of the publication", c.Schema, c.Table)
		}
		return records(c.Key, c.Before, c.After, c.Time.UnixMilli(), emit)
	}
}
