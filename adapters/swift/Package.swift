// swift-tools-version:5.7
import PackageDescription

let package = Package(
    name: "Recsys",
    products: [.library(name: "Recsys", targets: ["Recsys"])],
    targets: [
        .systemLibrary(name: "CRecsys"),
        .target(name: "Recsys", dependencies: ["CRecsys"]),
    ]
)
