package mysql

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"

	"github.com/weirstreams/weir/row"
)

const flavorMariaDB = mysql.MariaDBFlavor

// kind is how the values of a column are read.
type kind int

const (
	kindText kind = iota
	kindInteger
	kindFloat
	kindDouble
	kindDecimal
	kindBinary
	kindDate
	kindDatetime
	kindTimestamp
	kindTime
	kindJSON
	kindBit
	kindEnum
	kindSet
)

// orders reports whether keys may have the kind, because the source knows its order.
func (k kind) orders() bool {
	switch k {
	case kindText, kindInteger, kindDecimal, kindBinary, kindDate, kindDatetime, kindTimestamp:
		return true
	}
	return false
}

// kinds are those of the types of information_schema.columns.
var kinds = map[string]kind{
	"tinyint": kindInteger, "smallint": kindInteger, "mediumint": kindInteger, "int": kindInteger, "bigint": kindInteger, "year": kindInteger,
	"float": kindFloat, "double": kindDouble, "decimal": kindDecimal,
	"char": kindText, "varchar": kindText, "tinytext": kindText, "text": kindText, "mediumtext": kindText, "longtext": kindText,
	"binary": kindBinary, "varbinary": kindBinary, "tinyblob": kindBinary, "blob": kindBinary, "mediumblob": kindBinary, "longblob": kindBinary,
	"geometry": kindBinary, "point": kindBinary, "linestring": kindBinary, "polygon": kindBinary, "multipoint": kindBinary, "multilinestring": kindBinary,
	"multipolygon": kindBinary, "geometrycollection": kindBinary, "geomcollection": kindBinary,
	"date": kindDate, "datetime": kindDatetime, "timestamp": kindTimestamp, "time": kindTime, "json": kindJSON, "bit": kindBit, "enum": kindEnum, "set": kindSet,
}

// decoders read texts of the log, which are in the character set of their column. nil is UTF-8. The latin1 of MySQL is Windows 1252, and its five free places are
// control characters.
var decoders = map[string]encoding.Encoding{
	"utf8mb4": nil, "utf8mb3": nil, "utf8": nil, "ascii": nil, "latin1": latin1{}, "latin2": charmap.ISO8859_2, "cp1250": charmap.Windows1250, "cp1251": charmap.Windows1251,
	"cp1256": charmap.Windows1256, "cp1257": charmap.Windows1257, "greek": charmap.ISO8859_7, "hebrew": charmap.ISO8859_8, "latin5": charmap.ISO8859_9, "latin7": charmap.ISO8859_13, "koi8r": charmap.KOI8R,
	"koi8u": charmap.KOI8U, "cp866": charmap.CodePage866, "cp850": charmap.CodePage850, "cp852": charmap.CodePage852, "binary": nil,
}

// column is a column of a table, as of now or as of an event of the log.
type column struct {
	name               string
	kind               kind
	charset, collation string
	json               bool     // a text that MariaDB calls JSON
	members            []string // of an enum or a set
	width              int      // of a column BINARY, whose zeros at the end are not in the log
}

// columnsOf returns the columns of an event of the log.
func (d *database[K, V]) columnsOf(t *table, m *replication.TableMapEvent) ([]column, error) {
	if len(m.ColumnName) != int(m.ColumnCount) {
		return nil, fmt.Errorf("rows have no names of columns, because binlog_row_metadata of the server was not FULL")
	}
	names, collations := m.ColumnNameString(), m.CollationMap()
	memberCollations, enums, sets := m.EnumSetCollationMap(), m.EnumStrValueMap(), m.SetStrValueMap()
	columns := make([]column, m.ColumnCount)
	for i := range columns {
		c := &columns[i]
		c.name = names[i]
		c.json = t.json[c.name]
		typ, meta := m.ColumnType[i], m.ColumnMeta[i]
		collation, isText := collations[i]
		switch {
		case m.IsEnumColumn(i) || m.IsSetColumn(i):
			c.kind, c.members = kindEnum, enums[i]
			if m.IsSetColumn(i) {
				c.kind, c.members = kindSet, sets[i]
			}
			c.charset = d.charsets[memberCollations[i]]
			read := make([]string, len(c.members))
			for j, member := range c.members {
				var err error
				if read[j], err = c.text(member); err != nil {
					return nil, err
				}
			}
			c.members = read
		case isText:
			c.charset = d.charsets[collation]
			if c.kind = kindText; c.charset == "binary" {
				c.kind = kindBinary
				if typ == mysql.MYSQL_TYPE_STRING {
					c.width = int(meta & 0xff)
					if b := meta >> 8; b&0x30 != 0x30 {
						c.width |= int((b&0x30)^0x30) << 4
					}
				}
			} else if _, known := decoders[c.charset]; !known {
				return nil, fmt.Errorf("column %q has collation %d, whose character set (%q) the source cannot read", c.name, collation, c.charset)
			}
		default:
			kind, known := logKinds[typ]
			if !known {
				return nil, fmt.Errorf("column %q has type %d, which the source does not know", c.name, typ)
			}
			c.kind = kind
		}
	}
	return columns, nil
}

// logKinds are the kinds of types of the log that are no texts.
var logKinds = map[byte]kind{
	mysql.MYSQL_TYPE_TINY: kindInteger, mysql.MYSQL_TYPE_SHORT: kindInteger, mysql.MYSQL_TYPE_INT24: kindInteger, mysql.MYSQL_TYPE_LONG: kindInteger,
	mysql.MYSQL_TYPE_LONGLONG: kindInteger, mysql.MYSQL_TYPE_YEAR: kindInteger, mysql.MYSQL_TYPE_FLOAT: kindFloat, mysql.MYSQL_TYPE_DOUBLE: kindDouble,
	mysql.MYSQL_TYPE_NEWDECIMAL: kindDecimal, mysql.MYSQL_TYPE_DATE: kindDate, mysql.MYSQL_TYPE_NEWDATE: kindDate, mysql.MYSQL_TYPE_DATETIME: kindDatetime, mysql.MYSQL_TYPE_DATETIME2: kindDatetime,
	mysql.MYSQL_TYPE_TIMESTAMP: kindTimestamp, mysql.MYSQL_TYPE_TIMESTAMP2: kindTimestamp, mysql.MYSQL_TYPE_TIME: kindTime, mysql.MYSQL_TYPE_TIME2: kindTime,
	mysql.MYSQL_TYPE_JSON: kindJSON, mysql.MYSQL_TYPE_BIT: kindBit, mysql.MYSQL_TYPE_GEOMETRY: kindBinary,
}

// text reads a text in the character set of the column.
func (c *column) text(raw string) (string, error) {
	if d := decoders[c.charset]; d != nil {
		return d.NewDecoder().String(raw)
	}
	if !utf8.ValidString(raw) {
		return "", fmt.Errorf("column %q: the text %.100q is no UTF-8", c.name, raw)
	}
	return raw, nil
}

// fromLog reads a value of the log.
func (c *column) fromLog(v any, floatDecimals bool) (row.Value, error) {
	var raw string
	switch v := v.(type) {
	case nil:
		return row.Null(), nil
	case int:
		return row.Int(int64(v)), nil
	case int8:
		return row.Int(int64(v)), nil
	case int16:
		return row.Int(int64(v)), nil
	case int32:
		return row.Int(int64(v)), nil
	case uint8:
		return row.Int(int64(v)), nil
	case uint16:
		return row.Int(int64(v)), nil
	case uint32:
		return row.Int(int64(v)), nil
	case uint64:
		return row.Uint(v), nil
	case float32:
		return float32Value(v), nil
	case float64:
		return row.Float(v), nil
	case int64:
		switch c.kind {
		case kindBit:
			return row.Uint(uint64(v)), nil
		case kindEnum:
			if v == 0 { // a value that was refused without strict mode
				return row.String(""), nil
			}
			if v < 0 || v > int64(len(c.members)) {
				return row.Null(), fmt.Errorf("value %d of the enumeration is none of its %d members", v, len(c.members))
			}
			return row.String(c.members[v-1]), nil
		case kindSet:
			set := uint64(v)
			var members []string
			for set != 0 {
				i := bits.TrailingZeros64(set)
				if i >= len(c.members) {
					return row.Null(), fmt.Errorf("value %d of the set has a member that is none of its %d", v, len(c.members))
				}
				members = append(members, c.members[i])
				set &^= 1 << i
			}
			return row.String(strings.Join(members, ",")), nil
		}
		return row.Int(v), nil
	case string:
		raw = v
	case []byte:
		raw = string(v)
	default:
		return row.Null(), fmt.Errorf("a value of the unknown type %T", v)
	}
	switch c.kind {
	case kindText:
		text, err := c.text(raw)
		if err != nil {
			return row.Null(), err
		}
		raw = text
	case kindBinary:
		if missing := c.width - len(raw); missing > 0 {
			raw += strings.Repeat("\x00", missing)
		}
	}
	return c.fromText(raw, floatDecimals)
}

// fromServer reads a value of a query by the binary protocol.
func (c *column) fromServer(v *mysql.FieldValue, floatDecimals bool) (row.Value, error) {
	switch v.Type {
	case mysql.FieldValueTypeNull:
		return row.Null(), nil
	case mysql.FieldValueTypeUnsigned:
		return row.Uint(v.AsUint64()), nil
	case mysql.FieldValueTypeSigned:
		return row.Int(v.AsInt64()), nil
	case mysql.FieldValueTypeFloat:
		if c.kind == kindFloat {
			return float32Value(float32(v.AsFloat64())), nil
		}
		return row.Float(v.AsFloat64()), nil
	}
	raw := v.AsString()
	if c.kind == kindBit {
		var n uint64
		for _, b := range raw {
			n = n<<8 | uint64(b)
		}
		return row.Uint(n), nil
	}
	return c.fromText(string(bytes.Clone(raw)), floatDecimals)
}

// float32Value is a float with the fewest digits that tell it from others of its size, as the server would show it.
func float32Value(v float32) row.Value {
	f, err := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
	if err != nil || math.IsNaN(f) {
		return row.Null()
	}
	return row.Float(f)
}

// fromText reads the text form of a value, in UTF-8.
func (c *column) fromText(text string, floatDecimals bool) (v row.Value, err error) {
	switch c.kind {
	case kindDecimal:
		if !floatDecimals {
			return row.String(text), nil
		}
		f, err := strconv.ParseFloat(text, 64)
		return row.Float(f), err
	case kindBinary:
		return row.String(base64.StdEncoding.EncodeToString([]byte(text))), nil
	case kindJSON:
		if text == "" {
			return row.Null(), nil // a document that a statement without strict mode has left out
		}
		err = v.UnmarshalJSON([]byte(text))
		return v, err
	case kindText:
		if c.json && v.UnmarshalJSON([]byte(text)) == nil {
			return v, nil
		}
	case kindDate:
		if text == "0000-00-00" {
			return row.Null(), nil
		}
	case kindDatetime, kindTimestamp, kindTime:
		if strings.Contains(text, ".") {
			text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
		}
		if text == "0000-00-00 00:00:00" {
			return row.Null(), nil
		}
		if text = strings.Replace(text, " ", "T", 1); c.kind == kindTimestamp {
			text += "Z"
		}
	}
	return row.String(text), nil
}
