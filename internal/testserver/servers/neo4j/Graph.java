import java.nio.file.Path;
import org.neo4j.configuration.GraphDatabaseSettings;
import org.neo4j.configuration.connectors.BoltConnector;
import org.neo4j.configuration.helpers.SocketAddress;
import org.neo4j.dbms.api.DatabaseManagementService;
import org.neo4j.dbms.api.DatabaseManagementServiceBuilder;

/** A database with Bolt: HOME PORT PASSWORD. The password is that of the user neo4j. */
public class Graph {
	public static void main(String[] args) throws Exception {
		SocketAddress address = new SocketAddress("127.0.0.1", Integer.parseInt(args[1]));
		DatabaseManagementService service = new DatabaseManagementServiceBuilder(Path.of(args[0]))
			.setConfig(BoltConnector.enabled, true)
			.setConfig(BoltConnector.listen_address, address)
			.setConfig(BoltConnector.advertised_address, address)
			.setConfig(GraphDatabaseSettings.auth_enabled, true)
			.setConfig(GraphDatabaseSettings.pagecache_memory, 64L << 20)
			.setConfig(GraphDatabaseSettings.preallocate_logical_logs, false)
			.build();
		service.database("system").executeTransactionally("ALTER USER neo4j SET PASSWORD '" + args[2] + "' CHANGE NOT REQUIRED");
		System.out.println("weir: ready");
		Thread.currentThread().join();
	}
}
