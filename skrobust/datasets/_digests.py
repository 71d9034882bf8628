"""SHA-256 of the arrays of each file below ``data_home``, as ``array_digest`` gives them.

Of the test pictures of CIFAR-10, the first 1,000 were at hand with exact pixels. For the others,
the SHA-256 of the whole archive stands in (``_cifar.py``).
"""

__all__ = ["DIGESTS"]

DIGESTS: dict[str, dict[str, str]] = {
    "features/CIFAR10_0.npz": {
        "X": "a2d21414348c80f8d0211020c5e115d8e48cb55b66edfcaf6817cc3ce65dfa28",
        "y": "06adf160d995b81d19083ec9449587dd445615b3c3dc9bfbd1c59db89773094f",
    },
    "features/CIFAR10_4.npz": {
        "X": "df28607c03418ab050fafd5fad546b3e8795c327bf5d2cef159d3ab3162c41c9",
        "y": "2610120a3c97207b304abdba427d101a8cf59423eb8442da7a6fd000d612262b",
    },
    "features/CIFAR10_6.npz": {
        "X": "3a6378abcde90c16692b8ff2adee1a05b181a9b06d55b08f89497f1f37241a49",
        "y": "c99476a903182fb0b0878e08275731b55c876b32809a515dcf0dadde2247db6a",
    },
    "features/SVHN_0.npz": {
        "X": "f71a0db713f6c5d6c6e8a91ebb64b63ec2fb11657e260f3214900d7bab70bcdb",
        "y": "ef7503b823501d8fca313c58e3d9dfd021fb257265a208b7bfa939958d55f797",
    },
    "features/SVHN_8.npz": {
        "X": "1bc522843728802010fbf2d49aae2b8f34b06c5c6a7b5711e27118b6b12ba68b",
        "y": "c34930444294afcfddf65ebfadcab9b2048238a3c97f6173e387c55d77c9a43b",
    },
    "images/cifar10.npz": {
        "x_train": "90bd1111666811c90f862768dd66e8b3b9e161e40cc02f8a7aa1eec8cedcc68e",
        "y_train": "f5e17c96ec44209f003b070426be775fdd141449a22410501b102dc9d8a62f4e",
        "x_test[:1000]": "ee28b2bd901b665ddcf04e51b1e7dddbbc4237df5a7c9c15c02661a514c76d01",
        "y_test": "912544dec1df652a7e9e07b6e2499183f95fd5040431a7afaa0a3af066a53589",
    },
    "images/cifar10_test_webp.npz": {
        "webp": "3020105d459b5724b90b2dac56fe6fb1164e294f06221e2899cf2ad4d729da03",
        "offsets": "a9095a0aac06d89633b8fa84f1928f9d2b7fa681594c0a9dc12bed27633c167f",
        "y": "eb2f1af091bfe2edd1edad9728b769084d135215b62ee7a2c056f9af3787a98f",
        "exact1000_webp": "68eb0fe8dfe04071d7133aa3144f6ddd078e85bd6d7932ab783a9e37dc35b62e",
        "exact1000_offsets": "67b0337f45eb08e0e5d6922226fa84a33d060da096effe3c70d645eaa015ae52",
        "class_names": "5e9b52a47892c8345c59703a49d7e3ba75b20eb20134b6aaac6b762f9558732d",
    },
    "images/cifar10_train_webp.npz": {
        "webp": "89e2fefbea4c38d876c9d9548b841b7e19a94550ba5404902237469625cff977",
        "offsets": "5b2338d5beb99c3db73bcb984d8e8afc646412b4c3768cc2a063cc401f0de439",
        "y": "05433cd701e06427a2893ae4605bc855ffac29bf52246eb15b8ce04f5a41e273",
        "class_names": "5e9b52a47892c8345c59703a49d7e3ba75b20eb20134b6aaac6b762f9558732d",
    },
    "images/fashion_mnist.npz": {
        "x_train": "5a059964b98872e905ad579e76f92c9618f5fb27e99bac8bbecf0827598a7f67",
        "y_train": "62d863e1254ab5ff72306a2aad9634829f80815f9e58f1e7e81129df8c8e0acc",
        "x_test": "94254afcc418a3940cf9d8b94b31171183aa30c57c92d52b5e4e58b2eaaf8ed0",
        "y_test": "197c34f38d61d6cedc9b5f0f5c4229c5d84d630796689efd7f168ec404a98ef3",
    },
    "images/mnist.npz": {
        "x_train": "64d8977eea2eb7b7b59b4814b0aafa440a923c80e062b6c255bd7a13eead33d8",
        "y_train": "83454d6e75102c18752542e2cceb9bb20547bc0b00db53fbc384cdf7766fc3ca",
        "x_test": "3076fe289e424b9bd6fec25edf80db2fe68e891f118549521ca15e74198f11ea",
        "y_test": "6577c1fa34c2a503072b32143ed76c03c32ea1fc1cc1b69b06f0b19e4668937f",
    },
    "odds/annthyroid.npz": {
        "X": "4eec0028d08f3e58b325d88bcde227bf883daf2f9103762e0eb2542959f71e8c",
        "y": "b11080ac9036f10f657e5afee8b2fd3d601ad2895e279584a665d5471c017358",
    },
    "odds/arrhythmia.npz": {
        "X": "4aac54dbccb2e398a641dd0cf9a32cdb0713a62b0a4738bf251a249132333e64",
        "y": "c5e36851597fecc8cb4765b2644661a3ee19de32edaa25985fe63cb90e10bbde",
    },
    "odds/breastw.npz": {
        "X": "92c45ee97b770ef1280a281bc74983185c98368237784d11f71ad8cc2e060b18",
        "y": "a1b971a97bc408624708347796880148fff14fed08cde0433beea9b526076038",
    },
    "odds/cardio.npz": {
        "X": "36e17cdb7ca72f5dea8e09b140a9036d2ae69f575d828d18ad9bbc00cf2ecaa5",
        "y": "73c2a452ee9c5c250415ee4cc516f42a2950e04ac37c6ff639e332b8678c9b41",
    },
    "odds/glass.npz": {
        "X": "59e2eb23be4f36f93c72f1ab631436da87c00c87b3df95b89eb83984d7691a46",
        "y": "5b935df1d965b08c0010556550a7c8c7b0a46b9dd1d42c7b873edcce1cb2677f",
    },
    "odds/ionosphere.npz": {
        "X": "6aa1eef91f3f89131e789fdf26d6870c28b99f86bf00a66298f693561163008e",
        "y": "7c3001b95b9363030c906655bfdd4699ec927a95bcbd099d96bccf61883b37d8",
    },
    "odds/letter.npz": {
        "X": "4434ff955acf8c2de9376ee83a1ab8565e1d9215a8790c045d77bda690fc31e1",
        "y": "169070a254a4c61b53a63887c15a092dea7c35de11e2300c7b1575f5d3ef7066",
    },
    "odds/mammography.npz": {
        "X": "4e43976b30e6686ea7b731fe035ceb1380877fb9e1387eab52c0c5ba65b5275b",
        "y": "52010c32373d7eb18976eba58635dd5df8bdc3c9c6ec8bf60b4407494bf5a02f",
    },
    "odds/mnist.npz": {
        "X": "6412b0a08e0c57b010dca54ac58730bfbe429bfff4e65c11daba313e9a98b0a4",
        "y": "48babba4b6723b92d61936da71d8c8fd975e74badbac4919934ff7ea1952d759",
    },
    "odds/musk.npz": {
        "X": "bd6a960511e2421340ab0a212fdd7af417fa27ce24e8315bb08432143d52f26c",
        "y": "c019b274ad5123027f8a7f923eb0af4c50422b79adc2345029cef7518f2ba477",
    },
    "odds/optdigits.npz": {
        "X": "1bec31d7d39cfb516c92e9a23c6c8fcfdd6f929fa2272b6a7df3582408838968",
        "y": "5fbe3214342f90071c61f2acbe1bbeeb63bbc8b470c7d6308e59dad3b90fe5e6",
    },
    "odds/pendigits.npz": {
        "X": "7106f743905eb7c20350e6317127145c7a7773e5adad81a49ce7c5a8b7c848fc",
        "y": "5e0353144c7a295c08e90e6c47da82b592db616aee8a97bdd4aeb54093af47ba",
    },
    "odds/pima.npz": {
        "X": "76b626deef798f496c66c62804566c75bd995d6d85e3d1a6460b74876e05769c",
        "y": "47e1a9d0ebb5f0ddcc627157ae08805f0df4a41246bb7d0ced538337587aab85",
    },
    "odds/satellite.npz": {
        "X": "aa4bc574716d5b7251c6ee966689449a42eec0fa9ce5ecb667afef8a89e169a8",
        "y": "937f6d6369ba1388bf4a7cce409c05ec9582bf66c9c5715e980cebb712d1ebac",
    },
    "odds/satimage-2.npz": {
        "X": "6afedc909ce7568f596d01dad95718cf3464f482d9b38f63059de8ae1691f276",
        "y": "4a3d9f56227ee584c500806cf1f9ca8a7c6811b3a957c2290685144373b3f99c",
    },
    "odds/shuttle.npz": {
        "X": "c1a408c29df677f08c0fc0113f4cb253def5d31f4f6545cbebc41707a821ba68",
        "y": "5a7f9be17b280f56b92c7a023a41b03706203877ac80203f2ff2a8d58ad53473",
    },
    "odds/thyroid.npz": {
        "X": "8c749da49d9f1a9d673df610dd14fda87c05c43df2a97e3f8e6c4a66772e86d3",
        "y": "abb6fb46cc383cfb659b3001a5a41627be39a21e9f65036348faa2418f1751d7",
    },
    "odds/vowels.npz": {
        "X": "2397cbd37cda71627a40ff56b0da8a935eaf4f2e02f556eb05d58ec40a3d9549",
        "y": "9bcbdcfc3eedab703691cfa0589be41f845f9eaaa874645c83a86b2caeaa4f38",
    },
    "regression/concrete.npz": {
        "X": "20024facd856da09b6c87788d65c6e1868ca56bbe0665aaef32d36fb8c31f1cc",
        "y": "120979b87e3d4d666c1b09ad8740c4c226b0047be8d7149905d3db45b369f3ff",
        "feature_names": "be0730dba2d76e20c704d4a4c3586defd725f291cb7c323453622374624864f1",
        "target_names": "79feec956a318662233ee54210753ad40db3355f2b526c9a8689b15e179afc36",
    },
    "regression/energy.npz": {
        "X": "339770dd8bfa3be3d55950d49781d8db45e34483e06da679c4f0bb3be3bfc1e2",
        "y": "e6ec588c17d0deff9fa00a3b1239b3e3f00316850b6e4570a17d9ac16bbc2c51",
        "feature_names": "7d8492e05533e44394c2d4f7164112c625cc0f1f3b6e72507f2e4348588f5cf7",
        "target_names": "901f12db128555cf53ef37ca7ced792950d1c6db53db42368ae75f91897fce21",
    },
    "regression/kin8nm.npz": {
        "X": "7ac737908a7684e87821d1fe731040743caf71e1102e349b363a70d5114be9c6",
        "y": "37b0c20e3216b38c4d5622543040b021c0e36943ae369b61556c5f6dd17c965a",
        "feature_names": "58560b4a3846582b79c44fc307e6804ba447bce864a72d6e812bbabd2b2f9f1d",
        "target_names": "9cef3a44b89c91787fa33b14e254f85a38f95b70f9c875ef3af5d19586b9ef0b",
    },
    "regression/lagos_ne.npz": {
        "X": "8853fc17024286428d225620407c10b9743ec8c6e952c4de80d590d151bf17c0",
        "y": "e2150983b34b00241ea484d41daeb2ab292519edd595400b93d2fc5d46070e23",
        "feature_names": "1faab2543e699b774259f5c85e3048dac000a854b4e851706b941e94c1b6aa70",
        "target_names": "e611cef9194ce92febfb0c7070b4532548c6ff706576cedfbe9810abdb960e8a",
        "lake_id": "b2ff0ecf83a7b51f7542212093b17acbabf882f3dfce24187125a1c0eb124554",
        "hu4_region": "ceb3f3cdfe633b489ef1e52432a47bc8fdd6c247602c2388362e4fc1f7be810b",
    },
    "regression/lagos_ne_full.npz": {
        "X": "4a1c4f5b1a5c7cf77b9f34e769079c817829144e16d4ab6660e0f336dedd7deb",
        "y": "d4bfbb96f86019f78493f24da2a52172ccf64cc2c63e2c98bd61b9a1c0408de6",
        "feature_names": "e8d972891e13043ed34584c0f984619c7a1ed7f959d30edb1fd8c52447869cf3",
        "target_names": "e611cef9194ce92febfb0c7070b4532548c6ff706576cedfbe9810abdb960e8a",
        "lake_id": "bfeadf31e02d750f72ef792433269065df4d7d94cea19e2a8b5699073a8ef926",
        "hu4_region": "2aed7bd3dfaa612758f9ac050b44f4008179c0b0baf88cc0d8e397219b4dba53",
    },
    "regression/naval.npz": {
        "X": "c31e70ddbb0ab8fcf03c661610f71c17d3286fb2d863d33fbc28d14dbf669f2f",
        "y": "3bcfbfd85b384323d1df91a950f7c2edaed4c7db538d84df8fd05304d3b2a61d",
        "feature_names": "b2a854665ac0b2a4ad95ce272d87f37b0e1beadf7ff217a3e8c11051ed04ed67",
        "target_names": "cd41f4716fa776336503d58e21c4c6c47af09aafa3101f22da32108421296f0e",
    },
    "regression/power_plant.npz": {
        "X": "44e5066dc09d31ebb38b609ac51b5ba9dcabe9f1345fd9bc564bec30fcb1ec86",
        "y": "7149a984f887620b4659cc8785415170074307931b84cd65a64c872d027c6390",
        "feature_names": "bdc8b2e810fa97f4aacd194763249c637452ee7498150d326a5497081c088105",
        "target_names": "b5ad3641a66d60f3a899a856f86a5ced7ac530463ba0be8fd412545d9bdc778a",
    },
    "regression/protein.npz": {
        "X": "7baae92c06e62168285c11538c2b52efef1bc6f53e4c8d125029e7eeb2313776",
        "y": "cd3bfbe915087e2699fa8d970495a53d715cf7712774277d5cc1f0f72db871b7",
        "feature_names": "711a06ffb9d836821ebdc718fe1b6db6f0daf9057e8b5685aea65fc4aec4a449",
        "target_names": "5db5a3e18ab014330fa9c7f09c85c45f4fbb724ab36f63c99092d3eedad17806",
    },
}
