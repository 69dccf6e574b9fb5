//go:build unix

package servers

import (
	"context"
	"os"
	"path/filepath"
	"strconv"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/server"
)

// MariaDB is a server that writes a log of changes, with TLS.
var MariaDB = server.Server{
	Name:  "mariadb",
	About: "MariaDB of Debian (apt; or mariadbd in PATH)",
	Variables: []string{
		"WEIR_TEST_MARIADB: the URL of a server, whose user may do everything",
		"WEIR_TEST_MARIADB_CA: a file with the authority of its certificate",
	},
	Sources: []fetch.Source{mariaDBPrograms},
	Start: func(ctx context.Context, i *server.Instance) error {
		program, env, err := debianProgram(ctx, i, "mariadbd", mariaDBPrograms)
		if err != nil {
			return err
		}
		if err := writeCertificates(i.Write); err != nil {
			return err
		}
		port, err := i.Port(ctx)
		if err != nil {
			return err
		}
		data := filepath.Join(i.Dir, "data")
		if err := os.Mkdir(data, 0o700); err != nil {
			return err
		}
		base := filepath.Dir(filepath.Dir(program)) // the folder of sbin and share
		common := []string{"--no-defaults", "--basedir=" + base, "--datadir=" + data}
		if os.Getuid() == 0 { // it refuses to run as root unless it is told so
			common = append(common, "--user=root")
		}
		if err := i.Run(ctx, server.Command{Name: "mariadb-install-db", Env: env, Args: append(append([]string{
			"sh", filepath.Join(base, "bin", "mariadb-install-db"),
		}, common...), "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")}); err != nil {
			return err
		}
		users, err := i.Write("users.sql", "CREATE USER weir@'%' IDENTIFIED BY 'right';\nGRANT ALL PRIVILEGES ON *.* TO weir@'%' WITH GRANT OPTION;\nDROP USER root@localhost;\n")
		if err != nil {
			return err
		}
		secure := filepath.Join(i.Dir, "secure")
		_, err = i.Start(ctx, server.Command{Name: "mariadb", Env: env, Args: append(append([]string{program}, common...),
			"--bind-address=127.0.0.1", "--port="+strconv.Itoa(port), "--socket="+filepath.Join(i.Dir, "socket"), "--init-file="+users, "--skip-name-resolve",
			"--ssl-ca="+filepath.Join(secure, "ca.pem"), "--ssl-cert="+filepath.Join(secure, "broker.keystore.pem"), "--ssl-key="+filepath.Join(secure, "broker.keystore.pem"),
			"--server-id=1", "--log-bin=binlog", "--binlog-format=ROW", "--binlog-row-image=FULL", "--binlog-row-metadata=FULL", "--max-connections=60",
			"--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=64M", "--character-set-server=utf8mb4",
		)}, server.Prints("ready for connections"))
		if err != nil {
			return err
		}
		i.Export("WEIR_TEST_MARIADB", "mysql://weir:right@"+server.Address(port))
		i.Export("WEIR_TEST_MARIADB_CA", filepath.Join(secure, "ca.pem"))
		i.Say("MariaDB ready at %s", server.Address(port))
		return nil
	},
}
