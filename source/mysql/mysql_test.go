package mysql_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/mysql"
	"github.com/weirstreams/weir/source/sourcetest"
)

// entry is a row of the tables of the conformance kit.
type entry struct {
	Text  *string `json:"text"`
	Value *string `json:"value"`
}

func TestTheSourceKeepsItsPromises(t *testing.T) {
	s := schema(t)
	db := connect(t)
	password := "s3cret-of-the-source"
	options := func(place string) mysql.Options[int64, entry] {
		return mysql.Options[int64, entry]{URL: secret.New(server), Tables: []string{s + "." + place}, ChunkRows: 100}
	}
	sourcetest.Run(t, sourcetest.System[int64, entry]{
		New: func(_ testing.TB, place string) source.Source[int64, entry] { return mysql.New(options(place)) },
		Fill: func(tb testing.TB, place string, items []sourcetest.Item) {
			exec(tb, db, "CREATE TABLE IF NOT EXISTS "+s+"."+place+" (id bigint AUTO_INCREMENT PRIMARY KEY, text longtext, value longtext)")
			literal := func(text *string) string {
				if text == nil {
					return "NULL"
				}
				return fmt.Sprintf("CONVERT(x'%x' USING utf8mb4)", *text)
			}
			for part := range slices.Chunk(items, 1000) {
				var rows []string
				for _, item := range part {
					key, value := item.Pointers()
					rows = append(rows, "("+literal(key)+", "+literal(value)+")")
				}
				exec(tb, db, "INSERT INTO "+s+"."+place+" (text, value) VALUES "+strings.Join(rows, ", "))
			}
		},
		Item: func(r weir.Record[int64, entry]) sourcetest.Item {
			return sourcetest.OfPointers(r.Value.Text, r.Value.Value)
		},
		Idle:    300 * time.Millisecond,
		Once:    true,
		Grows:   true,
		Secrets: []string{password},
		Unreachable: func(testing.TB) source.Source[int64, entry] {
			o := options("nowhere")
			o.URL, o.ConnectTimeout = secret.New("mysql://weir:"+password+"@127.0.0.1:1/nowhere"), time.Second
			return mysql.New(o)
		},
	})
}

const typesTable = `(id int PRIMARY KEY, i1 tinyint, u1 tinyint unsigned, i2 smallint, u2 smallint unsigned, i3 mediumint, u3 mediumint unsigned, i4 int, u4 int unsigned, i8 bigint, u8 bigint unsigned,
	f float, d double, n decimal(30,5), un decimal(10,2) unsigned, b bool, bits bit(64), bit1 bit, s varchar(50), c char(10), l varchar(50) CHARACTER SET latin1, cp varchar(20) CHARACTER SET cp1251, txt mediumtext, j json,
	dt datetime(6), dt0 datetime, ts timestamp(3) NULL, da date, t time(2), y year, e enum('a','é','c d'), st set('x','y','z'), raw varbinary(10), bin binary(4), bl blob,
	g point, v int AS (i4 + 1) VIRTUAL, sv int AS (i4 + 2) STORED, ` + "`odd ``name` int" + `) CHARACTER SET utf8mb4`

func typesRow(id int) string {
	return fmt.Sprintf(`(id, i1, u1, i2, u2, i3, u3, i4, u4, i8, u8, f, d, n, un, b, bits, bit1, s, c, l, cp, txt, j, dt, dt0, ts, da, t, y, e, st, raw, bin, bl, g, `+"`odd ``name`"+`) VALUES (%d,
	-128, 255, -32768, 65535, -8388608, 16777215, -2147483648, 4294967295, -9223372036854775808, 18446744073709551615,
	16777216.0, 0.1, -12345.67800, 0.5, true, x'8000000000000001', 1, 'é"\\😀', 'pad  ', 'café €', 'Привет', 'text', '{"b":[1,2.0,null],"a":"x"}',
	'2025-01-02 03:04:05.678', '2025-01-02 03:04:05', '2025-01-02 03:04:05.500', '2025-01-02', '-838:59:59.5', 2025, 'é', 'z,x', x'00ff', x'0100', x'fe00',
	ST_GeomFromText('POINT(1 2)'), 7)`, id)
}

func TestValuesKeepTheirTypesInTheSnapshotAndTheLog(t *testing.T) {
	t.Parallel()
	s := schema(t)
	db := connect(t)
	exec(t, db, "SET time_zone = '+00:00', sql_mode = ''")
	exec(t, db, "CREATE TABLE "+s+".t "+typesTable)
	zero := "(id, dt, dt0, ts, da, e, st, t, y, j) VALUES (%d, '0000-00-00', '2025-00-10 01:02:03', 0, '0000-00-00', '', '', '00:00:00', 0, NULL)"
	fill := func(id int) {
		exec(t, db, "INSERT INTO "+s+".t "+typesRow(id))
		exec(t, db, "INSERT INTO "+s+".t "+fmt.Sprintf(zero, id+1))
	}
	fill(1)
	p := start(t, mysql.Options[row.Row, row.Row]{Tables: []string{s + ".t"}}, nil)
	defer p.close()
	got := p.until(2)
	fill(3)
	exec(t, db, "UPDATE "+s+".t SET s = repeat('long ', 10), id = 5 WHERE id = 3")
	exec(t, db, "DELETE FROM "+s+".t WHERE id = 5")
	got = append(got, p.until(5)...)
	full := func(id int, s string) string {
		return fmt.Sprintf(`{"id":%[1]d} {"id":%[1]d,"i1":-128,"u1":255,"i2":-32768,"u2":65535,"i3":-8388608,"u3":16777215,"i4":-2147483648,"u4":4294967295,"i8":-9223372036854775808,"u8":18446744073709551615,`+
			`"f":16777216.0,"d":0.1,"n":"-12345.67800","un":"0.50","b":1,"bits":9223372036854775809,"bit1":1,"s":%[2]s,"c":"pad","l":"café €","cp":"Привет","txt":"text","j":{"b":[1,2.0,null],"a":"x"},`+
			`"dt":"2025-01-02T03:04:05.678","dt0":"2025-01-02T03:04:05","ts":"2025-01-02T03:04:05.5Z","da":"2025-01-02","t":"-838:59:59.5","y":2025,"e":"é","st":"x,z","raw":"AP8=","bin":"AQAAAA==","bl":"/gA=",`+
			`"g":"AAAAAAEBAAAAAAAAAAAA8D8AAAAAAAAAQA==","v":-2147483647,"sv":-2147483646,"odd `+"`"+`name":7}`, id, s)
	}
	zeros := func(id int) string {
		return fmt.Sprintf(`{"id":%[1]d} {"id":%[1]d,"i1":null,"u1":null,"i2":null,"u2":null,"i3":null,"u3":null,"i4":null,"u4":null,"i8":null,"u8":null,"f":null,"d":null,"n":null,"un":null,"b":null,"bits":null,"bit1":null,`+
			`"s":null,"c":null,"l":null,"cp":null,"txt":null,"j":null,"dt":null,"dt0":"2025-00-10T01:02:03","ts":null,"da":null,"t":"00:00:00","y":0,"e":"","st":"","raw":null,"bin":null,"bl":null,"g":null,"v":null,"sv":null,"odd `+"`"+`name":null}`, id)
	}
	long, short := `"`+strings.Repeat("long ", 10)+`"`, `"é\"\\😀"`
	want := []string{full(1, short), zeros(2), full(3, short), zeros(4), `{"id":3} null`, full(5, long), `{"id":5} null`}
	var texts []string
	for _, r := range got {
		texts = append(texts, text(r))
		if age := time.Since(r.Time()); age < -time.Minute || age > time.Minute {
			t.Errorf("%s has the time %v", text(r), r.Time())
		}
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestASnapshotAloneEnds(t *testing.T) {
	t.Parallel()
	s := schema(t)
	db := connect(t)
	exec(t, db, "CREATE TABLE "+s+".a (x varchar(20), y decimal(20,3), z varbinary(8), w datetime(3), PRIMARY KEY (y, x, z, w))")
	exec(t, db, "CREATE TABLE "+s+".b (id int PRIMARY KEY)")
	exec(t, db, "CREATE TABLE "+s+".c (id bigint unsigned PRIMARY KEY)")
	for n := range 10 {
		exec(t, db, "INSERT INTO "+s+".a VALUES (?, ?, concat(x'ff00', ?), '2025-01-02 03:04:05.600')", fmt.Sprintf("X'`%d", n), n%3, n)
	}
	exec(t, db, "INSERT INTO "+s+".c VALUES (1), (2), (18446744073709551614), (18446744073709551615)")
	p := start(t, mysql.Options[row.Row, row.Row]{Tables: []string{s + ".a", s + ".b", s + ".c"}, SnapshotOnly: true, ChunkRows: 3}, nil)
	var got []string
	for {
		records, err := p.read()
		for _, r := range records {
			got = append(got, r.Key.String())
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		p.close()
		p.open() // at the position
	}
	p.close()
	if len(got) != 14 || got[0] != "{\"y\":\"0.000\",\"x\":\"X'`0\",\"z\":\"/wAw\",\"w\":\"2025-01-02T03:04:05.6\"}" || got[13] != `{"id":18446744073709551615}` {
		t.Errorf("got %v", got)
	}
}

func TestNamesAreQuoted(t *testing.T) {
	t.Parallel()
	s := schema(t)
	db := connect(t)
	name := "t`; DROP TABLE keep; -- '\""
	quoted := "`" + strings.ReplaceAll(name, "`", "``") + "`"
	exec(t, db, "CREATE TABLE "+s+".keep (id int PRIMARY KEY)")
	exec(t, db, "CREATE TABLE "+s+"."+quoted+" (`a``); DROP TABLE keep` varchar(50) PRIMARY KEY, `b'\"` int)")
	exec(t, db, "INSERT INTO "+s+"."+quoted+" VALUES (?, 1), (?, 2)", "x'); DROP TABLE keep; --", "y\\'")
	p := start(t, mysql.Options[string, row.Row]{Tables: []string{s + "." + name}, ChunkRows: 1}, nil)
	defer p.close()
	p.until(2)
	exec(t, db, "UPDATE "+s+"."+quoted+" SET `b'\"` = 3")
	if got := p.until(2); got[0].Key != "x'); DROP TABLE keep; --" || got[1].Value.String() != "{\"a`); DROP TABLE keep\":\"y\\\\'\",\"b'\\\"\":3}" {
		t.Errorf("got %v", got)
	}
	exec(t, db, "SELECT * FROM "+s+".keep")
}

func TestConnectSaysWhatIsMissing(t *testing.T) {
	s := schema(t)
	db := connect(t)
	for _, statement := range []string{
		"TABLE nokey (id int)", "TABLE ok (id int PRIMARY KEY)", "TABLE other (id int PRIMARY KEY) ENGINE = MyISAM", "VIEW seen AS SELECT * FROM %[1]s.ok", "TABLE uuids (id int PRIMARY KEY, u uuid)",
		"TABLE floats (id float PRIMARY KEY)", "TABLE child (id int PRIMARY KEY, of int, CONSTRAINT cascading FOREIGN KEY (of) REFERENCES %[1]s.ok (id) ON DELETE CASCADE)",
		"TABLE big (id int PRIMARY KEY, t text CHARACTER SET big5)",
	} {
		what, rest, _ := strings.Cut(statement, " ")
		exec(t, db, strings.ReplaceAll("CREATE "+what+" %[1]s."+rest, "%[1]s", s))
	}
	user := s[len(s)-20:]
	exec(t, db, "CREATE USER "+user+" IDENTIFIED BY 'secret-of-user'")
	defer exec(t, db, "DROP USER "+user)
	exec(t, db, "GRANT SELECT ON "+s+".nokey TO "+user)
	type options = mysql.Options[row.Row, row.Row]
	refused := func(want string, o options) {
		t.Helper()
		if o.URL.Reveal() == "" {
			o.URL = secret.New(server)
		}
		err := mysql.New(o).Connect(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret-of-user") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	refused("Tables is empty", options{})
	refused("is in no database", options{Tables: []string{"ok"}})
	refused("is twice in Tables", options{Tables: []string{s + ".ok", s + ".ok"}})
	refused("SnapshotOnly and NoSnapshot exclude", options{Tables: []string{s + ".ok"}, SnapshotOnly: true, NoSnapshot: true})
	refused("does not begin with", options{Tables: []string{s + ".ok"}, URL: secret.New("postgres://u:secret-of-user@h/d")})
	refused("it is no URL", options{Tables: []string{s + ".ok"}, URL: secret.New("mysql://u:secret-of-user/#@h/d")})
	refused("does not exist", options{Tables: []string{s + ".missing"}})
	refused("does not exist", options{Tables: []string{s + ".OK"}})
	refused("has no primary key", options{Tables: []string{s + ".nokey"}})
	refused("engine MyISAM", options{Tables: []string{s + ".other"}})
	refused("is a view", options{Tables: []string{s + ".seen"}})
	refused("of type uuid", options{Tables: []string{s + ".uuids"}})
	refused("of type float", options{Tables: []string{s + ".floats"}})
	refused(`the foreign key "cascading"`, options{Tables: []string{s + ".child"}})
	refused("character set big5", options{Tables: []string{s + ".big"}})
	refused("Access denied", options{Tables: []string{s + ".ok"}, URL: as(t, user, "secret-of-user-is-wrong")})
	refused("GRANT SELECT ON", options{Tables: []string{s + ".ok"}, URL: as(t, user, "secret-of-user")})
	exec(t, db, "GRANT SELECT ON "+s+".* TO "+user)
	refused("GRANT REPLICATION CLIENT", options{Tables: []string{s + ".ok"}, URL: as(t, user, "secret-of-user")})
	exec(t, db, "GRANT BINLOG MONITOR ON *.* TO "+user)
	refused("GRANT REPLICATION SLAVE", options{Tables: []string{s + ".ok"}, URL: as(t, user, "secret-of-user")})
	exec(t, db, "GRANT REPLICATION SLAVE ON *.* TO "+user)
	if err := mysql.New(options{Tables: []string{s + ".ok"}, URL: as(t, user, "secret-of-user")}).Connect(t.Context()); err != nil {
		t.Errorf("a user with all that the documentation names: %v", err)
	}
	for variable, values := range map[string][2]string{
		"binlog_format": {"MIXED", "ROW"}, "binlog_row_image": {"MINIMAL", "FULL"}, "binlog_row_metadata": {"NO_LOG", "FULL"},
	} {
		exec(t, db, "SET GLOBAL "+variable+" = "+values[0])
		refused(variable+" of the server is", options{Tables: []string{s + ".ok"}})
		exec(t, db, "SET GLOBAL "+variable+" = "+values[1])
	}
}

func TestTLSIsVerified(t *testing.T) {
	t.Parallel()
	s := schema(t)
	db := connect(t)
	exec(t, db, "CREATE TABLE "+s+".t (id int PRIMARY KEY)")
	exec(t, db, "INSERT INTO "+s+".t VALUES (1)")
	o := mysql.Options[int32, row.Row]{URL: secret.New(strings.Replace(server, "mysql:", "mysqls:", 1)), Tables: []string{s + ".t"}}
	if err := mysql.New(o).Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of an unknown authority: %v", err)
	}
	pem, err := os.ReadFile(os.Getenv("WEIR_TEST_MARIADB_CA"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	o.TLS = &tls.Config{RootCAs: pool, ServerName: "elsewhere.example"}
	if err := mysql.New(o).Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "elsewhere.example") {
		t.Errorf("a certificate of another name: %v", err)
	}
	o.TLS = &tls.Config{RootCAs: pool}
	p := startOf(t, mysql.New(o), nil)
	defer p.close()
	p.until(1)
	exec(t, db, "INSERT INTO "+s+".t VALUES (2)")
	p.until(1)
}

func TestChangesThatTheLogDoesNotHaveAreLostInput(t *testing.T) {
	for name, c := range map[string]struct{ statement, want string }{
		"statement format": {"SET SESSION binlog_format = 'STATEMENT'; UPDATE %[1]s SET n = 2", "binlog_format was not ROW|changed rows of table"},
		"minimal image":    {"SET SESSION binlog_row_image = 'MINIMAL'; UPDATE %[1]s SET n = 2", `lacks column "`},
		"dropped":          {"DROP TABLE %[1]s", "changed rows of table"},
		"renamed":          {"RENAME TABLE %[1]s TO %[1]s_old, %[1]s_other TO %[1]s", "changed rows of table"},
		"partition":        {"ALTER TABLE %[1]s TRUNCATE PARTITION p0", "changed rows of table"},
		"another key":      {"ALTER TABLE %[1]s DROP PRIMARY KEY, ADD PRIMARY KEY (id, n); UPDATE %[1]s SET text = 'x'", "has the primary key"},
		"distributed":      {"XA START 'x'; UPDATE %[1]s SET n = 2; XA END 'x'; XA PREPARE 'x'; XA ROLLBACK 'x'", "distributed transaction"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := schema(t)
			db := connect(t)
			for _, n := range []string{"t", "t_other"} {
				exec(t, db, "CREATE TABLE "+s+"."+n+" (id int PRIMARY KEY, n int, text varchar(20)) PARTITION BY HASH (id) PARTITIONS 1")
			}
			exec(t, db, "INSERT INTO "+s+".t VALUES (1, 1, '')")
			p := start(t, mysql.Options[int32, row.Row]{Tables: []string{s + ".t"}}, nil)
			defer p.close()
			p.until(1)
			if name == "another key" {
				exec(t, db, "ALTER TABLE "+s+".t REMOVE PARTITIONING")
			}
			for statement := range strings.SplitSeq(fmt.Sprintf(c.statement, s+".t"), "; ") {
				exec(t, db, statement)
			}
			err := p.failure()
			found := false
			for want := range strings.SplitSeq(c.want, "|") {
				found = found || err != nil && strings.Contains(err.Error(), want)
			}
			if !found || !permanently(err) || name != "another key" && !errors.Is(err, weir.ErrLostInput) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestRowsHaveTheColumnsOfTheTimeOfTheirChange(t *testing.T) {
	t.Parallel()
	s := schema(t)
	db := connect(t)
	exec(t, db, "CREATE TABLE "+s+".t (id int PRIMARY KEY, a int)")
	p := start(t, mysql.Options[row.Row, row.Row]{Tables: []string{s + ".t"}}, nil)
	if _, err := p.read(); err != nil { // the snapshot, which is empty
		t.Fatal(err)
	}
	p.close()
	for _, statement := range []string{
		"INSERT INTO t VALUES (1, 1)", "ALTER TABLE t ADD COLUMN b varchar(5) DEFAULT 'x' FIRST", "INSERT INTO t VALUES ('y', 2, 2)", "ALTER TABLE t RENAME COLUMN a TO c, RENAME INDEX i TO j",
		"ALTER TABLE t MODIFY c varchar(10)", "INSERT INTO t VALUES ('z', 3, '3')", "ALTER TABLE t DROP COLUMN b", "INSERT INTO t VALUES (4, '4')",
	} {
		if strings.Contains(statement, "RENAME INDEX") {
			exec(t, db, "CREATE INDEX i ON "+s+".t (a)")
		}
		exec(t, db, strings.Replace(statement, " t ", " "+s+".t ", 1))
	}
	p.open()
	defer p.close()
	var got []string
	for _, r := range p.until(4) {
		got = append(got, r.Value.String())
	}
	want := []string{`{"id":1,"a":1}`, `{"b":"y","id":2,"a":2}`, `{"b":"z","id":3,"c":"3"}`, `{"id":4,"c":"4"}`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestATruncatedTableIsAChangeOfItsOwn(t *testing.T) {
	t.Parallel()
	s := schema(t)
	db := connect(t)
	exec(t, db, "CREATE TABLE "+s+".t (id int PRIMARY KEY)")
	exec(t, db, "INSERT INTO "+s+".t VALUES (1)")
	o := mysql.Options[string, string]{Tables: []string{s + ".t"}, Record: func(c mysql.Change, emit func(weir.Record[string, string])) error {
		emit(weir.Record[string, string]{Key: c.Table, Value: c.Op.String()})
		return nil
	}}
	p := start(t, o, nil)
	p.until(1)
	exec(t, db, "TRUNCATE "+s+".t")
	if got := p.until(1); got[0].Value != "truncate" {
		t.Errorf("got %v", got)
	}
	p.close()
	o.Record = nil
	failing := start(t, mysql.Options[int32, row.Row]{Tables: o.Tables, NoSnapshot: true}, nil)
	defer failing.close()
	if _, err := failing.read(); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "TRUNCATE TABLE "+s+".t")
	if err := failing.failure(); err == nil || !strings.Contains(err.Error(), "handle it in Options.Record") {
		t.Errorf("got %v", err)
	}
}

// The log of the server is the same for all tests, so this one runs alone.
func TestALogThatIsGoneIsLostInput(t *testing.T) {
	for _, plain := range []bool{false, true} {
		s := schema(t)
		db := connect(t)
		exec(t, db, "CREATE TABLE "+s+".t (id int PRIMARY KEY)")
		exec(t, db, "INSERT INTO "+s+".t VALUES (1)")
		from := mysql.New(mysql.Options[int32, row.Row]{URL: secret.New(server), Tables: []string{s + ".t"}})
		if plain {
			mysql.Plain(from, true)
		}
		p := startOf(t, from, nil)
		p.until(1)
		p.close()
		exec(t, db, "INSERT INTO "+s+".t VALUES (2)")
		exec(t, db, "FLUSH BINARY LOGS")
		exec(t, db, "INSERT INTO "+s+".t VALUES (3)")
		status, err := db.Execute("SHOW MASTER STATUS")
		if err != nil {
			t.Fatal(err)
		}
		file, _ := status.GetString(0, 0)
		exec(t, db, "FLUSH BINARY LOGS")
		for purged := false; !purged; { // readers that have ended keep files for a moment
			exec(t, db, "PURGE BINARY LOGS TO '"+file+"'")
			logs, err := db.Execute("SHOW BINARY LOGS")
			if err != nil {
				t.Fatal(err)
			}
			first, _ := logs.GetString(0, 0)
			purged = first == file
		}
		p.open()
		if err := p.failure(); !errors.Is(err, weir.ErrLostInput) || !permanently(err) {
			t.Errorf("plain %v: got %v", plain, err)
		}
		p.close()
	}
}

func TestOtherTablesAndServersAreNoPositionOfTheSource(t *testing.T) {
	t.Parallel()
	s := schema(t)
	db := connect(t)
	exec(t, db, "CREATE TABLE "+s+".t (id int PRIMARY KEY)")
	exec(t, db, "CREATE TABLE "+s+".u (id int PRIMARY KEY)")
	from := mysql.New(mysql.Options[int32, row.Row]{URL: secret.New(server), Tables: []string{s + ".t"}})
	p := startOf(t, mysql.Plain(from, false), nil)
	if _, err := p.read(); err != nil {
		t.Fatal(err)
	}
	p.close()
	var at map[string]any
	if err := json.Unmarshal(p.at, &at); err != nil {
		t.Fatal(err)
	}
	at["server"] = "server_id 77"
	other, err := json.Marshal(at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := from.Open(t.Context(), quiet, source.Split{}, other); !errors.Is(err, weir.ErrLostInput) || !strings.Contains(err.Error(), "server_id 77") {
		t.Errorf("another server: %v", err)
	}
	both := mysql.New(mysql.Options[int32, row.Row]{URL: secret.New(server), Tables: []string{s + ".t", s + ".u"}})
	if err := both.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := both.Open(t.Context(), quiet, source.Split{}, p.at); err == nil || !permanently(err) || !strings.Contains(err.Error(), "Options.Tables") {
		t.Errorf("another table: %v", err)
	}
}
