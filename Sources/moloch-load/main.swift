print("moloch-load")
